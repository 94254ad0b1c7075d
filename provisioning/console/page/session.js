// Who is signed in, and what time it is at the server.
import { ask, control, credentials } from "./api.js";
import { createContext, useContext, useEffect, useState } from "./view.js";

const KEY = "provisioning.key";
const CONTROL_TOKEN = "provisioning.control-token";
const { auth, control: hasControl } = document.documentElement.dataset;
export const NEEDS_KEY = auth === "required";

const OUT = { phase: "out", who: null, reason: null, ended: null };

const Session = createContext(null);
export const SessionProvider = Session.Provider;
export const useCurrent = () => useContext(Session);
/** Whether a session, and for a record, allows a thing that says by whom it may be done or seen. */
export const isAllowed = (thing, ...facts) => !thing.allowed || thing.allowed(...facts);

/** The session as the whole page shares it; `who` is null while nobody is signed in. */
export function useSession() {
	const [state, setState] = useState({ ...OUT, phase: "asking" });
	const [clock, setClock] = useState({ offset: 0, frozenAt: null, isMoved: false });
	// "off": there is none; "token": it asks for one; "on": it answers.
	const [controlState, setControlState] = useState(hasControl === "on" ? "asking" : "off");
	const [key, setKey] = useState(() => sessionStorage.getItem(KEY));

	async function begin(given) {
		try {
			const { data: who, date, asked } = await ask("whoami", { key: given });
			if (hasControl !== "on") tell({ asked, data: { now: date } });
			credentials.key = given;
			if (given) sessionStorage.setItem(KEY, given);
			setKey(given);
			setState({ ...OUT, phase: "in", who });
			return null;
		} catch (problem) {
			return problem;
		}
	}

	async function start() {
		await askControl();
		if (key === null && NEEDS_KEY) return setState(OUT);
		const problem = await begin(key);
		if (problem?.status === 401) out(problem.detail);
		else if (problem) setState({ ...OUT, reason: problem.detail });
	}

	function out(reason = null) {
		sessionStorage.removeItem(KEY);
		credentials.key = null;
		setKey(null);
		setState({ ...OUT, reason });
	}

	async function askControl() {
		if (hasControl !== "on") return;
		credentials.controlToken = sessionStorage.getItem(CONTROL_TOKEN);
		try {
			tell(await control("clock"));
			setControlState("on");
		} catch (problem) {
			setControlState(problem.status === 401 ? "token" : "off");
		}
	}

	async function giveControlToken(token) {
		credentials.controlToken = token;
		tell(await control("clock"));
		sessionStorage.setItem(CONTROL_TOKEN, token);
		setControlState("on");
	}

	function tell({ asked, data: { now, frozen, offset } }) {
		// What runs is told to the second, cut off, and on its way: better early than what has ended active.
		const at = Date.parse(now);
		setClock({ offset: at + 1000 - asked, frozenAt: frozen ? at : null, isMoved: Boolean(offset) });
	}

	useEffect(() => {
		credentials.onEnd = (reason) => setState((old) => (old.phase === "in" ? { ...old, ended: reason } : old));
		start();
	}, []);

	const { who } = state;
	const may = (what) => Boolean(who?.can.includes(what));
	return {
		...state,
		key,
		control: controlState,
		clock,
		now: () => clock.frozenAt ?? Date.now() + clock.offset,
		isMe: (username) => who?.user?.username === username,
		isOverseer: ["ADMINISTRATOR", "INTERNAL_AUDITING"].includes(who?.role),
		manages: who?.role === "ADMINISTRATOR" && may("write"),
		may,
		/** Sign in, or go on with another key; the Problem, or null. */
		signIn: begin,
		signOut: () => out(),
		/** Ask again who one is, as one's own rights may have changed. */
		refresh: () => begin(key),
		putOff: () => setState((old) => ({ ...old, endedSeen: old.ended })),
		tell,
		askControl,
		giveControlToken,
	};
}
