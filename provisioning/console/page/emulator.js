// What the control API offers: the clock, faults, snapshots, reset, the demo's people, and requests.
import { ask, control, path } from "./api.js";
import { Fields, folded, useForm } from "./form.js";
import { Card, Confirm, Head, moment, say, sent, Text, Trouble, useAct, useEvery, useLoaded, When, ZONE_NOTE } from "./pieces.js";
import { Requests, VERBS } from "./requests.js";
import { useCurrent } from "./session.js";
import { rowButton } from "./table.js";
import { html, useEffect, useState } from "./view.js";
import { fromTyped, number, plural, toField, toTheSecond, utc } from "./words.js";

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
	const [act, trouble] = useAct();
	return html`
		<form class="card" onSubmit=${sent(() => act(() => session.giveControlToken(token)))} novalidate>
			<p>The control API of this server asks for its token, the setting PROVISIONING_CONTROL_TOKEN.</p>
			${trouble}
			<${Text} label="Token" class="code concealed" value=${token} onInput=${setToken} />
			<button class="primary">Go on</button>
		</form>
	`;
}

/** A field and a button; `act` gets what is typed. */
function Ask({ verb, act, ...facts }) {
	const [text, setText] = useState("");
	return html`
		<form class="inline" novalidate onSubmit=${sent(() => act(text, setText))}>
			<${Text} value=${text} onInput=${setText} ...${facts} />
			<button>${verb}</button>
		</form>
	`;
}

function Clock({ session, onMoved }) {
	const [act, trouble] = useAct();
	const isFrozen = session.clock.frozenAt !== null;
	// What is typed to set the clock to; until something is, the field shows what the clock does.
	const [typed, setTyped] = useState(null);
	const move = (target, method, body) =>
		act(async () => {
			session.tell(await control(target, { method, body: body?.() }));
			setTyped(null);
			onMoved();
		});
	const advance = (by) => move("clock/advance", "POST", () => ({ by }));
	const freeze = (frozen) => move("clock", "PUT", () => ({ frozen }));
	const to = typed ?? toField(utc(session.now())).slice(0, 16);
	const set = () => move("clock", "PUT", () => ({ now: fromTyped(to || "nothing") }));
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
				<label class="filter">To <${When} value=${to} onText=${setTyped} /></label>
				<button>Set</button>
			</form>
			<${Ask} label="By" size="10" placeholder="P1DT2H" verb="Advance" act=${advance} />
			${trouble}
			${ZONE_NOTE}
		<//>
	`;
}

function Time({ session }) {
	const [, tick] = useState(0);
	useEvery(1000, () => tick((old) => old + 1));
	return html`<p class="clock">${moment(utc(session.now()), toTheSecond)}</p>`;
}

const FAULT = [
	{ member: "path", required: true, initial: "/users/*", hint: "* within a segment, ** across them." },
	{ member: "status", type: "whole", initial: "503", hint: "200 to 599." },
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
		field.select();
		field.scrollIntoView({ block: "center" });
		field.focus();
	}, [draft]);
	useEvery(3000, reload);
	async function add() {
		const body = form.checked();
		if (body === null) return;
		for (const [member, value] of Object.entries(body)) if (value === false) delete body[member];
		await control("faults", { method: "POST", body }).then(() => setProblem(say("Fault added.")), (caught) => setProblem(form.explain(caught)));
		reload();
	}
	const remove = (target) => () => control(target, { method: "DELETE" }).catch(setProblem).then(reload);
	return html`
		<${Card} title="Faults" actions=${data?.length > 1 && html`<button class="small" onClick=${remove("faults")}>Remove all</button>`}>
			<${Trouble} problem=${problem ?? missing} />
			<ul class="rows">
				${(data ?? []).map((fault) => html`
					<li key=${fault.id}>
						<span id=${`fault-${fault.id}`}>
							<code>${fault.method ?? "any verb"} ${fault.path}</code> ${consequence(fault)}${" "}
							<span class="muted">struck ${plural(fault.struck, "time")}${fault.times ? ` of ${number(fault.times)}` : ""}</span>
						</span>
						${rowButton(`fault-${fault.id}`, "Remove", remove(`faults/${fault.id}`), true)}
					</li>
				`)}
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
	const [trying, trouble] = useAct();
	const [isResetting, setResetting] = useState(false);
	const { data, reload } = useLoaded(async () => (await control("snapshots")).data, "snapshots");
	const { data: tenants } = useLoaded(async () => (await control("tenants")).data, `tenants ${isResetting}`);
	const act = (target, method, text, then) =>
		trying(async () => {
			await control(target, { method });
			say(text);
			reload();
			then?.();
		});
	async function reset() {
		await control("reset", { method: "POST", body: tenant ? { tenant } : {} });
		setResetting(false);
		say("It has begun anew.");
		onChanged();
	}
	const save = (name, setName) => act(path`snapshots/${name.trim() || "-"}`, "PUT", "Saved.", () => setName(""));
	return html`
		<${Card} title="Snapshots" actions=${html`<button class="danger" onClick=${() => setResetting(true)}>Reset</button>`}>
			${trouble}
			<ul class="rows">
				${(data ?? []).map(({ name, created, counts }) => html`
					<li key=${name}>
						<span id=${`snapshot-${name}`}><strong>${name}</strong> <span class="muted">${moment(created)}, ${plural(counts.users, "user")}</span></span>
						<span>
							${rowButton(`snapshot-${name}`, "Load", () => act(path`snapshots/${name}/load`, "POST", `The records are those of ${name}.`, onChanged))}
							${rowButton(`snapshot-${name}`, "Forget", () => act(path`snapshots/${name}`, "DELETE", "Forgotten."), true)}
						</span>
					</li>
				`)}
			</ul>
			<${Ask} label="Name" size="14" verb="Save" act=${save} />
			${isResetting && html`
				<${Confirm} title=${tenant ? `Reset the tenant ${tenant}?` : "Reset everything?"} verb="Reset" act=${reset} onClose=${() => setResetting(false)}>
					<p>${tenant ? "The tenant's records are those of the beginning again." : "Records, clock, faults and requests are those of the beginning again. Snapshots stay."}</p>
					<${Text} label="Only the tenant" placeholder="all of them" list="tenants" value=${tenant} onInput=${(text) => setTenant(text.trim())} />
					<datalist id="tenants">${(tenants ?? []).map(({ label, name }) => html`<option value=${label}>${name}</option>`)}</datalist>
				<//>
			`}
		<//>
	`;
}

export function People({ session, round = 0 }) {
	const { data } = useLoaded(async () => (await control("keys")).data, `keys ${round}`);
	const [problem, setProblem] = useState(null);
	if (!data?.length) return null;
	return html`
		<${Card} title="The demo's people">
			<${Trouble} problem=${problem} />
			<ul class="people">
				${data.map((key) => html`
					<li key=${key.apiToken} onClick=${async () => setProblem(await session.signIn(key.apiToken))}>
						<span id=${`key-${key.apiToken}`}>
							<strong>${key.username ?? `${key.tenant} itself`}</strong>
							<span class="muted">${key.role ?? "no role"} · ${key.type} · ${key.tenant}</span>
						</span>
						${key.apiToken === session.key ? html`<span class="chip mine">you</span>` : rowButton(`key-${key.apiToken}`, "Use this key")}
					</li>
				`)}
			</ul>
		<//>
	`;
}
