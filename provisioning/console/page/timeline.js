// Privileges over time as a picture: a lane for each role, a bar for each window, a line for now.
import { useCurrent } from "./session.js";
import { html, useEffect, useRef, useState } from "./view.js";
import { date, dateAndTime, windowState } from "./words.js";

const LANE = 34;
const TOP = 16;
const AXIS = 22;
const SIDE = 8;
const DAY = 86_400_000;
const STEPS = [1, 7, 30.44, 91.3, 182.6, 365.25, 730.5, 1826.25, 3652.5].map((days) => days * DAY);

export function Timeline({ privileges, roles }) {
	const session = useCurrent();
	const box = useRef();
	const [width, setWidth] = useState(640);
	const [pointed, setPointed] = useState(null);
	useEffect(() => {
		const observer = new ResizeObserver(([entry]) => setWidth(Math.max(260, Math.floor(entry.contentRect.width))));
		observer.observe(box.current);
		return () => observer.disconnect();
	}, []);

	const now = session.now();
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
	return html`
		<figure class="timeline">
			<div ref=${box}>
				<svg width=${width} height=${height} role="group" aria-label="Privileges over time">
					${ticks(begin, end, Math.max(2, Math.floor(width / 80))).map(
						(at) => html`
							<line class="grid" x1=${x(at)} x2=${x(at)} y1=${TOP} y2=${bottom} />
							<text class="tick" x=${x(at)} y=${height - 6} text-anchor="middle">${label(at, end - begin)}</text>
						`,
					)}
					${lanes.map((role, lane) => html`<text class="lane" x=${SIDE} y=${TOP + lane * LANE + 11}>${role}</text>`)}
					${privileges.map((privilege) => {
						const from = x(Date.parse(privilege.activeFrom));
						const until = privilege.activeUntil ? x(Date.parse(privilege.activeUntil)) : width;
						return html`
							<rect
								key=${privilege.id}
								class=${`bar ${windowState(privilege, now).split(" ")[0]}`}
								x=${from}
								y=${TOP + lanes.indexOf(privilege.role) * LANE + 15}
								width=${Math.max(3, until - from)}
								height="14"
								rx="3"
								tabindex="0"
								role="img"
								onMouseEnter=${point(privilege)}
								onFocus=${point(privilege)}
								onMouseLeave=${() => setPointed(null)}
								onBlur=${() => setPointed(null)}
							><title>${said(privilege)}</title></rect>
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

/** Round moments of the local calendar, at most `most` of them. */
function ticks(begin, end, most) {
	const step = STEPS.find((each) => (end - begin) / each <= most) ?? STEPS.at(-1) * Math.ceil((end - begin) / STEPS.at(-1) / most);
	const at = new Date(begin);
	const found = [];
	const edge = (end - begin) / 40;
	const months = Math.round(step / (30.44 * DAY));
	at.setHours(0, 0, 0, 0);
	if (months >= 1) {
		at.setDate(1);
		if (months >= 12) at.setMonth(0);
		if (months > 12) at.setFullYear(Math.floor(at.getFullYear() / (months / 12)) * (months / 12));
	}
	while (at <= end) {
		if (at >= begin + edge && at <= end - edge) found.push(at.getTime());
		if (months < 1) at.setDate(at.getDate() + Math.round(step / DAY));
		else at.setMonth(at.getMonth() + months);
	}
	return found;
}

function label(at, span) {
	const day = new Date(at);
	if (span > 3 * 365 * DAY) return String(day.getFullYear());
	if (span > 120 * DAY) return new Intl.DateTimeFormat(undefined, { month: "short", year: "numeric" }).format(day);
	return date(day);
}
