// What the control API offers: the clock, faults, snapshots, reset, the demo's people, and the
// requests as they come.
import { ask, control, path } from "./api.js";
import { Fields, folded, messageOf, useForm } from "./form.js";
import { Card, Confirm, Head, Instant, say, sent, Text, Trouble, useEvery, useLoaded, Zone } from "./pieces.js";
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
		<${Head} title="Emulator" />
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
			<${Text} label="Token" class="code concealed" value=${token} onInput=${setToken} />
			<button class="primary">Go on</button>
		</form>
	`;
}

/** A field and a button; `act` gets what is typed. */
function Ask({ verb, act, initial = "", ...facts }) {
	const [text, setText] = useState(initial);
	return html`
		<form class="inline" novalidate onSubmit=${sent(() => act(text, setText))}>
			<${Text} value=${text} onInput=${setText} ...${facts} />
			<button>${verb}</button>
		</form>
	`;
}

function Clock({ session, onMoved }) {
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
	const advance = (by) => move("clock/advance", "POST", { by });
	const freeze = (frozen) => move("clock", "PUT", { frozen });
	const set = (to) => (to ? move("clock", "PUT", { now: fromField(to) }) : setProblem({ detail: "Give date and time to set the clock to." }));
	return html`
		<${Card} title="Clock" actions=${html`<span class=${`state ${isFrozen ? "to" : "active"}`}>${isFrozen ? "frozen" : "running"}</span>`}>
			<${Time} session=${session} />
			<p class="actions">
				<button disabled=${isFrozen} onClick=${() => freeze(true)}>Freeze</button>
				<button disabled=${!isFrozen} onClick=${() => freeze(false)}>Run</button>
				${(isFrozen || session.clock.isMoved) && html`<button onClick=${() => move("clock", "DELETE")}>Back to the machine's time</button>`}
			</p>
			<p class="actions">${JUMPS.map(([jump, text]) => html`<button class="small" onClick=${() => advance(jump)}>${text}</button>`)}</p>
			<${Ask} label="To" type="datetime-local" initial=${() => toField(utc(session.now())).slice(0, 16)} verb="Set" act=${set} />
			<${Ask} label="By" size="10" placeholder="P1DT2H" verb="Advance" act=${advance} />
			<${Trouble} problem=${problem} />
			<${Zone} />
		<//>
	`;
}

/** The server's time as it passes. */
function Time({ session }) {
	const [, tick] = useState(0);
	useEvery(1000, () => tick((old) => old + 1));
	return html`<p class="clock"><${Instant} at=${utc(session.now())} as=${toTheSecond} /></p>`;
}

const FAULT = [
	{ member: "path", required: true, initial: "/users/*", hint: "* within a segment, ** across them." },
	{ member: "status", type: "whole", initial: "503", hint: "400 to 599." },
	{ member: "method", options: VERBS },
	{ member: "times", type: "whole", hint: "Then no more." },
	...folded(
		{ member: "delay", type: "whole", label: "Delay in ms" },
		{ member: "retryAfter", type: "whole" },
		{ member: "probability", type: "number", hint: "0 to 1." },
		{ member: "tenant" },
		{ member: "close", type: "flag" },
		{ member: "truncate", type: "flag" },
		{ member: "garbage", type: "flag" },
	),
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
	useEvery(3000, reload);
	async function add() {
		const body = form.checked();
		if (body === null) return;
		for (const [member, value] of Object.entries(body)) if (value === false) delete body[member];
		try {
			await control("faults", { method: "POST", body });
			setProblem(null);
			say("The fault is there.");
			reload();
		} catch (caught) {
			setProblem(form.explain(caught));
		}
	}
	const remove = (target) => async () => {
		await control(target, { method: "DELETE" }).catch(setProblem);
		reload();
	};
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
				<${Fields} form=${form} />
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
	const [tenant, setTenant] = useState("");
	const [problem, setProblem] = useState(null);
	const [isResetting, setResetting] = useState(false);
	const { data, reload } = useLoaded(async () => (await control("snapshots")).data, "snapshots");
	async function act(target, method, text, then) {
		try {
			await control(target, { method });
			setProblem(null);
			say(text);
			reload();
			then?.();
		} catch (caught) {
			setProblem(messageOf(caught));
		}
	}
	function save(name, setName) {
		if (!name.trim()) return setProblem({ detail: "Give the snapshot a name." });
		return act(path`snapshots/${name.trim()}`, "PUT", "Saved.", () => setName(""));
	}
	const at = ({ name }) => path`snapshots/${name}`;
	return html`
		<${Card} title="Snapshots" actions=${html`<button class="danger" onClick=${() => setResetting(true)}>Reset</button>`}>
			<${Trouble} problem=${problem} />
			<ul class="rows">
				${(data ?? []).map(
					(snapshot) => html`
						<li key=${snapshot.name}>
							<span id=${`snapshot-${snapshot.name}`}><strong>${snapshot.name}</strong> <span class="muted"><${Instant} at=${snapshot.created} />, ${plural(snapshot.counts?.users ?? 0, "user")}</span></span>
							<span>
								<${RowButton} of=${`snapshot-${snapshot.name}`} onClick=${() => act(`${at(snapshot)}/load`, "POST", `The records are those of ${snapshot.name}.`, onChanged)}>Load<//>
								<${RowButton} of=${`snapshot-${snapshot.name}`} danger onClick=${() => act(at(snapshot), "DELETE", "Forgotten.")}>Forget<//>
							</span>
						</li>
					`,
				)}
			</ul>
			<${Ask} label="Name" size="14" verb="Save" act=${save} />
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
					<${Text} label="Only the tenant" placeholder="all of them" value=${tenant} onInput=${(text) => setTenant(text.trim())} />
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
