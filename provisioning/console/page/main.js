// The console begins here; the first line of each module says what it holds.
import { address, useAddress } from "./address.js";
import { EmulatorPage, People } from "./emulator.js";
import { keepFocus } from "./focus.js";
import { KINDS } from "./kinds.js";
import { ListPage } from "./list.js";
import { OverviewPage } from "./overview.js";
import { Check, Dialog, empty, Notes, sent, Trouble } from "./pieces.js";
import { isAllowed, NEEDS_KEY, SessionProvider, useSession } from "./session.js";
import { UserPage } from "./user.js";
import { html, render, useEffect, useId, useRef, useState } from "./view.js";

const SCHEME = "provisioning.scheme";
const root = document.documentElement;
if (localStorage.getItem(SCHEME)) root.dataset.scheme = localStorage.getItem(SCHEME);

/** Switches between light and dark. What the system prefers is kept by keeping nothing. */
function Scheme() {
	const usual = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
	const [scheme, setScheme] = useState(root.dataset.scheme ?? usual);
	function turn() {
		const next = scheme === "dark" ? "light" : "dark";
		if (next === usual) localStorage.removeItem(SCHEME);
		else localStorage.setItem(SCHEME, next);
		root.dataset.scheme = next;
		setScheme(next);
	}
	const other = scheme === "dark" ? "Light" : "Dark";
	return html`<button class="quiet" aria-label=${`${other} colours`} onClick=${turn}>${other}</button>`;
}

function Console() {
	const session = useSession();
	const place = useAddress();
	const [page] = place.segments;
	return html`
		<${SessionProvider} value=${session}>
			${session.phase === "asking" && html`<p class="wait">Loading</p>`}
			${session.phase === "out" && (page === "emulator" && session.control !== "off" ? html`<${Shell} place=${place} session=${session} />` : html`<${SignInPage} session=${session} />`)}
			${session.phase === "in" && html`<${Shell} key=${`${session.who.tenant.label} ${session.who.user?.username}`} place=${place} session=${session} />`}
			${session.ended && session.ended !== session.endedSeen && html`<${Ended} session=${session} />`}
			<${Notes} />
		<//>
	`;
}

/** The field for a key. It is no password field, so that no browser offers to keep the key. */
function SignInForm({ session, children }) {
	const id = useId();
	const [key, setKey] = useState("");
	const [isShown, setShown] = useState(false);
	const [problem, setProblem] = useState(null);
	const [isBusy, setBusy] = useState(false);
	const field = useRef();
	useEffect(() => field.current.focus(), []);
	async function signIn() {
		const typed = key.trim();
		if (!typed) return setProblem({ message: "Enter an API key. Whoever administers your tenant makes one." });
		if (/[^!-~]/.test(typed)) return setProblem({ message: "This is no API key: keys have neither blanks nor letters with accents." });
		setBusy(true);
		setProblem(await session.signIn(typed));
		setBusy(false);
	}
	return html`
		<form onSubmit=${sent(signIn)} novalidate>
			<div class="field wide">
				<label for=${id}>API key</label>
				<input id=${id} type="text" class=${isShown ? "code" : "code concealed"} autocomplete="off" autocapitalize="off" spellcheck=${false} ref=${field} value=${key}
					aria-invalid=${problem ? "true" : undefined} aria-describedby=${problem ? `${id}-error` : undefined} onInput=${(event) => setKey(event.currentTarget.value)} />
				${problem && html`<p class="error" role="alert" id=${`${id}-error`}>${problem.message}</p>`}
			</div>
			<p class="actions">
				<button class="primary" aria-busy=${isBusy}>Sign in</button>
				<${Check} checked=${isShown} onCheck=${setShown}>Show it<//>
				${children}
			</p>
		</form>
	`;
}

function SignInPage({ session }) {
	return html`
		<main class="sign-in" tabindex="-1">
			<h1>Provisioning console</h1>
			<${Trouble} problem=${session.reason && { detail: session.reason }} again=${(session.key || !NEEDS_KEY) && (() => location.reload())} />
			${NEEDS_KEY && html`
				<${SignInForm} session=${session} />
				<p class="muted">The key stays in this tab, and is forgotten when you close it.</p>
				${session.control === "on" && html`<${People} session=${session} />`}
			`}
			${session.control !== "off" && html`<p><a href=${address(["emulator"])}>Emulator</a>: clock, faults, snapshots and requests, without a key.</p>`}
			<p><${Scheme} /></p>
		</main>
	`;
}

function Ended({ session }) {
	return html`
		<${Dialog} title="Your session has ended" onClose=${session.putOff}>
			<div class="body">
				<p>${session.ended}</p>
				<p class="muted">Sign in again, and go on where you were: nothing that you typed is lost.</p>
				<${SignInForm} session=${session}>
					<button type="button" onClick=${session.signOut}>Leave</button>
				<//>
			</div>
		<//>
	`;
}

const OVERVIEW = { name: "overview", title: "Overview", page: OverviewPage };
const EMULATOR = { name: "emulator", title: "Emulator", page: EmulatorPage };

function Shell({ place, session }) {
	const [name = "overview", below] = place.segments;
	const main = useRef();
	const pages = session.who ? [OVERVIEW, ...KINDS.filter((each) => isAllowed(each, session))] : [];
	if (session.control !== "off") pages.push(EMULATOR);
	const here = pages.find((each) => each.name === name);
	const username = here?.name === "users" && below;
	const title = username || (here?.title ?? "Not found");

	useEffect(() => {
		document.title = `${title} · ${session.who?.tenant.name ?? "Provisioning console"}`;
		scrollTo(0, 0);
		// On a narrow screen the links are a strip that is longer than the screen.
		document.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
	}, [title]);

	let page = html`<h1>${title}</h1>${empty("There is no such page, or it is not for your role.", html`<a href=${address(["overview"])}>Go to the overview</a>`)}`;
	if (username) page = html`<${UserPage} key=${username} username=${username} />`;
	else if (here?.page) page = html`<${here.page} key=${name} />`;
	else if (here) page = html`<${ListPage} key=${name} kind=${here} query=${place.query} />`;

	return html`
		<a class="skip" href="#main" onClick=${(event) => {
			event.preventDefault();
			main.current.focus();
		}}>Skip to the page</a>
		<div class="shell">
			<header class="side">
				<p class="tenant">${session.who ? session.who.tenant.name : "Nobody is signed in"}</p>
				<nav aria-label="Pages">
					<ul>${pages.map((each) => html`<li><a href=${address([each.name])} aria-current=${each === here ? "page" : undefined}>${each.title}</a></li>`)}</ul>
				</nav>
				<${Me} session=${session} />
			</header>
			<main id="main" ref=${main} tabindex="-1">
				${session.ended && session.ended === session.endedSeen &&
				html`<div class="trouble"><p>Your session has ended: ${session.ended}</p><button onClick=${session.signOut}>Use another key</button></div>`}
				${page}
			</main>
		</div>
	`;
}

function Me({ session }) {
	const { who } = session;
	if (!who) return html`<p class="me"><a class="button" href="#/">Use a key</a><${Scheme} /></p>`;
	const name = who.user?.username;
	return html`
		<div class="me">
			<p>
				${name ? html`<a href=${address(["users", name])}>${name}</a>` : NEEDS_KEY ? "A key of the tenant" : "No key is needed"}
				<span class="muted">${who.role}${who.keyType === "BASIC" ? "" : `, ${who.keyType}`}</span>
			</p>
			<div class="actions">
				${NEEDS_KEY && html`<button onClick=${session.signOut}>Sign out</button>`}
				<${Scheme} />
			</div>
		</div>
	`;
}

/** A slash leads to the search, unless one is typing. */
addEventListener("keydown", (event) => {
	const search = document.querySelector("[type=search]");
	if (event.key !== "/" || !search || document.querySelector("dialog") || document.activeElement.matches("input, select, textarea")) return;
	event.preventDefault();
	search.select();
});

const place = document.getElementById("console");
place.replaceChildren();
render(html`<${Console} />`, place);
keepFocus(place);
