// What the control API offers: the clock, faults, snapshots, reset, the demo's people, and the
// requests as they come.
import { ask, control, path } from "./api.js";
import { byField, Field, messageOf, useForm } from "./form.js";
import { Card, Confirm, Instant, say, sent, Text, Trouble, useLoaded, Zone } from "./pieces.js";
import { Requests, VERBS } from "./requests.js";
import { useCurrent } from "./session.js";
import { RowButton } from "./table.js";
import { html, useEffect, useState } from "./view.js";
import { fromField, number, plural, toField, toTheSecond, utc } from "./words.js";

const JUMPS = [["-P1D", "−1 day"], ["+PT1H", "+1 hour"], ["+P1D", "+1 day"], ["+P30D", "+30 days"], ["+P365D", "+365 days"]];

export function EmulatorPage() {
	const session = useCurrent();
	const [round, setRound] = useState(0);
	const [draft, setDraft] = useState(null);
	if (session.control === "token") return html`<h1>Emulator</h1><${ControlToken} session=${session} />`;

	/** One may be nobody by now: the key, its owner's rights, or the records are others. */
	async function moved() {
		setRound((old) => old + 1);
		await session.askControl();
		if (session.who) await ask("whoami").then(session.refresh, () => {});
	}
	return html`
		<header class="head"><h1>Emulator</h1></header>
		<div class="columns">
			<div>
				<${Clock} session=${session} onMoved=${moved} />
				<${Faults} draft=${draft} />
				<${State} onChanged=${moved} />
				<${People} session=${session} round=${round} />
			</div>
			<${Requests} round=${round} onFault=${setDraft} />
		</div>
	`;
}

function ControlToken({ session }) {
	const [token, setToken] = useState("");
	const [problem, setProblem] = useState(null);
	const give = () => session.giveControlToken(token).catch(setProblem);
	return html`
		<form class="card" onSubmit=${sent(give)} novalidate>
			<p>The control API of this server asks for its token, the setting PROVISIONING_CONTROL_TOKEN.</p>
			<${Trouble} problem=${problem} />
			<label class="filter">Token <${Text} class="code concealed" value=${token} onInput=${setToken} /></label>
			<button type="submit" class="primary">Go on</button>
		</form>
	`;
}

function Clock({ session, onMoved }) {
	const [to, setTo] = useState(() => toField(utc(session.now())).slice(0, 16));
	const [by, setBy] = useState("");
	const [problem, setProblem] = useState(null);
	const isFrozen = session.clock.frozenAt !== null;
	async function move(target, method, body) {
		try {
			session.tell(await control(target, { method, body }));
			setProblem(null);
			onMoved();
		} catch (caught) {
			setProblem(messageOf(caught));
		}
	}
	const advance = (text) => move("clock/advance", "POST", { by: text });
	const freeze = (frozen) => move("clock", "PUT", { frozen });
	const set = () => (to ? move("clock", "PUT", { now: fromField(to) }) : setProblem({ detail: "Give date and time to set the clock to." }));
	return html`
		<${Card} title="Clock" actions=${html`<span class=${`state ${isFrozen ? "to" : "active"}`}>${isFrozen ? "frozen" : "running"}</span>`}>
			<${Time} session=${session} />
			<p class="actions">
				<button disabled=${isFrozen} onClick=${() => freeze(true)}>Freeze</button>
				<button disabled=${!isFrozen} onClick=${() => freeze(false)}>Run</button>
				${(isFrozen || session.clock.isMoved) && html`<button onClick=${() => move("clock", "DELETE")}>Back to the machine's time</button>`}
			</p>
			<p class="actions">${JUMPS.map(([jump, text]) => html`<button class="small" onClick=${() => advance(jump)}>${text}</button>`)}</p>
			<form class="inline" novalidate onSubmit=${sent(set)}>
				<label class="filter">To <${Text} type="datetime-local" value=${to} onInput=${setTo} /></label>
				<button>Set</button>
			</form>
			<form class="inline" novalidate onSubmit=${sent(() => advance(by))}>
				<label class="filter">By <${Text} size="10" placeholder="P1DT2H" value=${by} onInput=${setBy} /></label>
				<button>Advance</button>
			</form>
			<${Trouble} problem=${problem} />
			<${Zone} />
		<//>
	`;
}

/** The server's time as it passes. */
function Time({ session }) {
	const [, tick] = useState(0);
	useEffect(() => {
		const timer = setInterval(() => tick((old) => old + 1), 1000);
		return () => clearInterval(timer);
	}, []);
	const now = utc(session.now());
	return html`<p class="clock"><time datetime=${now} title=${now}>${toTheSecond(now)}</time></p>`;
}

const FAULT = [
	{ member: "path", required: true, initial: "/users/*", hint: "* within a segment, ** across them." },
	{ member: "status", type: "whole", initial: "503", hint: "400 to 599." },
	{ member: "method", options: VERBS },
	{ member: "times", type: "whole", hint: "Then no more." },
	{ member: "delay", type: "whole", label: "Delay in ms", more: true },
	{ member: "retryAfter", type: "whole", more: true },
	{ member: "probability", type: "number", hint: "0 to 1.", more: true },
	{ member: "tenant", more: true },
	{ member: "close", type: "flag", more: true },
	{ member: "truncate", type: "flag", more: true },
	{ member: "garbage", type: "flag", more: true },
];

function Faults({ draft }) {
	const form = useForm(FAULT, null);
	const [problem, setProblem] = useState(null);
	const { data, problem: missing, reload } = useLoaded(async () => (await control("faults")).data, "faults");
	useEffect(() => {
		if (!draft) return;
		form.set("path", draft.path);
		form.set("method", draft.method);
		const field = form.ref.current.elements.namedItem("status");
		field.scrollIntoView({ block: "center" });
		field.focus();
		field.select();
	}, [draft]);
	useEffect(() => {
		const timer = setInterval(reload, 3000);
		return () => clearInterval(timer);
	}, []);
	async function add() {
		const { body, found } = form.read();
		form.setErrors(found);
		if (Object.keys(found).length) return;
		for (const [member, value] of Object.entries(body)) if (value === false) delete body[member];
		try {
			await control("faults", { method: "POST", body });
			setProblem(null);
			say("The fault is there.");
			reload();
		} catch (caught) {
			const { found: beside, others } = byField(caught.errors, FAULT);
			form.setErrors(beside);
			setProblem(Object.keys(beside).length && !others.length ? null : caught);
		}
	}
	const remove = (target) => async () => {
		await control(target, { method: "DELETE" }).catch(setProblem);
		reload();
	};
	const field = (each) => html`<${Field} key=${each.member} field=${each} text=${form.values[each.member]} errors=${form.errors[each.member]} onText=${(text) => form.set(each.member, text)} />`;
	const rest = FAULT.filter((each) => each.more);
	return html`
		<${Card} title="Faults" actions=${data?.length > 1 && html`<button class="small" onClick=${remove("faults")}>Remove all</button>`}>
			<${Trouble} problem=${problem ?? missing} />
			<ul class="rows">
				${(data ?? []).map(
					(fault) => html`
						<li key=${fault.id}>
							<span id=${`fault-${fault.id}`}>
								<code>${fault.method ?? "any verb"} ${fault.path}</code> ${consequence(fault)}${" "}
								<span class="muted">struck ${plural(fault.struck, "time")}${fault.times ? ` of ${number(fault.times)}` : ""}</span>
							</span>
							<${RowButton} of=${`fault-${fault.id}`} danger onClick=${remove(`faults/${fault.id}`)}>Remove<//>
						</li>
					`,
				)}
			</ul>
			<form ref=${form.ref} onSubmit=${sent(add)} novalidate>
				<div class="fields">${FAULT.filter((each) => !each.more).map(field)}</div>
				<details><summary>More</summary><div class="fields">${rest.map(field)}</div></details>
				<p class="actions"><button>Add fault</button></p>
			</form>
		<//>
	`;
}

function consequence(fault) {
	const parts = [
		fault.delay !== null && `waits ${[fault.delay].flat().join(" to ")} ms`,
		fault.status !== null && `answers ${fault.status}`,
		fault.close && "closes the connection",
		fault.truncate && "cuts the answer",
		fault.garbage && "answers garbage",
		fault.probability !== null && fault.probability < 1 && `one in ${number(1 / fault.probability)}`,
		fault.tenant && `in ${fault.tenant}`,
	];
	return parts.filter(Boolean).join(", ");
}

function State({ onChanged }) {
	const [name, setName] = useState("");
	const [tenant, setTenant] = useState("");
	const [problem, setProblem] = useState(null);
	const [isResetting, setResetting] = useState(false);
	const { data, reload } = useLoaded(async () => (await control("snapshots")).data, "snapshots");
	async function act(target, method, text, changes) {
		try {
			await control(target, { method });
			setProblem(null);
			say(text);
			reload();
			if (changes) onChanged();
		} catch (caught) {
			setProblem(messageOf(caught));
		}
	}
	function save() {
		if (!name.trim()) return setProblem({ detail: "Give the snapshot a name." });
		return act(path`snapshots/${name.trim()}`, "PUT", "Saved.").then(() => setName(""));
	}
	const at = ({ name: saved }) => path`snapshots/${saved}`;
	return html`
		<${Card} title="Snapshots" actions=${html`<button class="danger" onClick=${() => setResetting(true)}>Reset</button>`}>
			<${Trouble} problem=${problem} />
			<ul class="rows">
				${(data ?? []).map(
					(snapshot) => html`
						<li key=${snapshot.name}>
							<span id=${`snapshot-${snapshot.name}`}><strong>${snapshot.name}</strong> <span class="muted"><${Instant} at=${snapshot.created} />, ${plural(snapshot.counts?.users ?? 0, "user")}</span></span>
							<span>
								<${RowButton} of=${`snapshot-${snapshot.name}`} onClick=${() => act(`${at(snapshot)}/load`, "POST", `The records are those of ${snapshot.name}.`, true)}>Load<//>
								<${RowButton} of=${`snapshot-${snapshot.name}`} danger onClick=${() => act(at(snapshot), "DELETE", "Forgotten.")}>Forget<//>
							</span>
						</li>
					`,
				)}
			</ul>
			<form class="inline" novalidate onSubmit=${sent(save)}>
				<label class="filter">Name <${Text} size="14" value=${name} onInput=${setName} /></label>
				<button>Save</button>
			</form>
			${isResetting &&
			html`
				<${Confirm}
					title=${tenant ? `Reset the tenant ${tenant}?` : "Reset everything?"}
					verb="Reset"
					onClose=${() => setResetting(false)}
					act=${async () => {
						await control("reset", { method: "POST", body: tenant ? { tenant } : {} });
						setResetting(false);
						say("It has begun anew.");
						onChanged();
					}}
				>
					<p>${tenant ? "The tenant's records are those of the beginning again." : "Records, clock, faults and requests are those of the beginning again. Snapshots stay."}</p>
					<label class="filter">Only the tenant <${Text} placeholder="all of them" value=${tenant} onInput=${(text) => setTenant(text.trim())} /></label>
				<//>
			`}
		<//>
	`;
}

/** The keys that the control API shows in demo mode, each with who acts by it. */
export function People({ session, round = 0 }) {
	const { data } = useLoaded(async () => (await control("keys")).data, `keys ${round}`);
	const [problem, setProblem] = useState(null);
	if (!data?.length) return null;
	async function be(key) {
		setProblem(await session.signIn(key.apiToken));
	}
	return html`
		<${Card} title="Be one of the demo's people">
			<${Trouble} problem=${problem} />
			<ul class="people">
				${data.map(
					(key) => html`
						<li key=${key.apiToken} onClick=${() => be(key)}>
							<span id=${`key-${key.apiToken}`}>
								<strong>${key.username ?? `${key.tenant} itself`}</strong>
								<span class="muted">${key.role ?? "no role"} · ${key.type} · ${key.tenant}</span>
							</span>
							${key.apiToken === session.key ? html`<span class="chip mine">you</span>` : html`<${RowButton} of=${`key-${key.apiToken}`}>Be them<//>`}
						</li>
					`,
				)}
			</ul>
		<//>
	`;
}
