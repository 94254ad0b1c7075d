// Privileges over time as a picture: a lane for each role, a bar for each window, a line for now.
import { html, useEffect, useRef, useState } from "./view.js";
import { dateAndTime, windowState } from "./words.js";

const LANE = 34;
const TOP = 16;
const AXIS = 22;
const SIDE = 8;
const DAY = 86_400_000;
const MONTH = 30.44 * DAY;

export function Timeline({ privileges, roles, now }) {
	const box = useRef();
	const [width, setWidth] = useState(640);
	const [pointed, setPointed] = useState(null);
	useEffect(() => {
		const observer = new ResizeObserver(([entry]) => setWidth(Math.max(260, Math.floor(entry.contentRect.width))));
		observer.observe(box.current);
		return () => observer.disconnect();
	}, []);

	const lanes = [...roles].reverse().filter((role) => privileges.some((privilege) => privilege.role === role));
	const ends = privileges.flatMap(({ activeFrom, activeUntil }) => [activeFrom, activeUntil]).filter(Boolean).map(Date.parse);
	const first = Math.min(now, ...ends);
	const last = Math.max(now, ...ends);
	const margin = Math.max((last - first) * 0.06, 5 * DAY);
	const [begin, end] = [first - margin, last + margin];
	const x = (at) => SIDE + ((at - begin) / (end - begin)) * (width - 2 * SIDE);
	const height = TOP + lanes.length * LANE + AXIS;
	const bottom = height - AXIS;

	const said = (privilege) => {
		const until = privilege.activeUntil ? `until ${dateAndTime(privilege.activeUntil)}` : "without end";
		return `${privilege.role} from ${dateAndTime(privilege.activeFrom)} ${until}, ${windowState(privilege, now)}`;
	};
	const point = (privilege) => () => setPointed(privilege);
	const leave = point(null);
	return html`
		<figure class="timeline">
			<div ref=${box}>
				<svg width=${width} height=${height} role="group" aria-label="Privileges over time">
					${ticks(begin, end, Math.max(2, Math.floor(width / 80))).map((at) => html`
						<line class="grid" x1=${x(at)} x2=${x(at)} y1=${TOP} y2=${bottom} />
						<text class="tick" x=${x(at)} y=${height - 6} text-anchor="middle">${label(at, end - begin)}</text>
					`)}
					${lanes.map((role, lane) => html`<text class="lane" x=${SIDE} y=${TOP + lane * LANE + 11}>${role}</text>`)}
					${privileges.map((privilege) => {
						const from = x(Date.parse(privilege.activeFrom));
						const until = privilege.activeUntil ? x(Date.parse(privilege.activeUntil)) : width;
						return html`
							<rect key=${privilege.id} class=${`bar ${windowState(privilege, now).split(" ")[0]}`} x=${from} y=${TOP + lanes.indexOf(privilege.role) * LANE + 15} width=${Math.max(3, until - from)} height="14" rx="3"
								tabindex="0" role="img" onMouseEnter=${point(privilege)} onFocus=${point(privilege)} onMouseLeave=${leave} onBlur=${leave}><title>${said(privilege)}</title></rect>
						`;
					})}
					<line class="now" x1=${x(now)} x2=${x(now)} y1=${TOP - 4} y2=${bottom} />
					<text class="tick now-text" x=${x(now)} y="10" text-anchor="middle">now</text>
				</svg>
			</div>
			<figcaption>${pointed ? said(pointed) : "Point at a bar, or move to it by Tab, to read its window."}</figcaption>
		</figure>
	`;
}

function ticks(begin, end, most) {
	const span = end - begin;
	const months = [1, 3, 6, 12, 24, 60, 120].find((each) => span / each <= most * MONTH) ?? 120 * Math.ceil(span / MONTH / 120 / most);
	const at = new Date(begin);
	const found = [];
	at.setHours(0, 0, 0, 0);
	at.setFullYear(...(months < 12 ? [at.getFullYear(), at.getMonth() - (at.getMonth() % months), 1] : [at.getFullYear() - (at.getFullYear() % (months / 12)), 0, 1]));
	while (at <= end) {
		if (at >= begin + span / 40 && at <= end - span / 40) found.push(at.getTime());
		at.setMonth(at.getMonth() + months);
	}
	return found;
}

const MONTH_AND_YEAR = new Intl.DateTimeFormat(undefined, { month: "short", year: "numeric" });
const label = (at, span) => (span > 36 * MONTH ? new Date(at).getFullYear() : MONTH_AND_YEAR.format(at));
