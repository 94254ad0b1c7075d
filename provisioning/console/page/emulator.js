// What the control API offers: the clock, faults, snapshots, reset, the demo's people, and the
// requests as they come.
import { ask, BASE_PATH, control, MARK, Problem, ROOT } from "./api.js";
import { byField, Field, useForm } from "./form.js";
import { Chip, Confirm, Copy, Empty, Filter, Instant, say, Text, Trouble, useLoaded, Zone } from "./pieces.js";
import { useCurrent } from "./session.js";
import { RowButton } from "./table.js";
import { html, useEffect, useRef, useState } from "./view.js";
import { fromField, number, plural, toField, toTheSecond, utc } from "./words.js";

const VERBS = ["GET", "HEAD", "POST", "PUT", "DELETE"];
const JUMPS = [["-P1D", "−1 day"], ["+PT1H", "+1 hour"], ["+P1D", "+1 day"], ["+P30D", "+30 days"], ["+P365D", "+365 days"]];
const POLL = 1000;
const FIRST = 200;
const KEPT = 500;

export function EmulatorPage() {
  const session = useCurrent();
  const [round, setRound] = useState(0);
  const [draft, setDraft] = useState(null);
  if (session.control === "token") return html`<h1>Emulator</h1><${ControlToken} session=${session} />`;

  /** All that is shown may be another one by now: records, faults, the clock, who one is. */
  async function beganAnew() {
    setRound((old) => old + 1);
    await session.askControl();
    if (session.who) await session.refresh().then((problem) => problem?.status === 401 && ask("whoami").catch(() => {}));
  }
  return html`
    <header class="head"><h1>Emulator</h1></header>
    <div class="columns">
      <div>
        <${Clock} session=${session} onMoved=${beganAnew} />
        <${Faults} key=${`faults ${round}`} draft=${draft} />
        <${State} onChanged=${beganAnew} />
        <${People} session=${session} round=${round} />
      </div>
      <${Requests} key=${`requests ${round}`} onFault=${setDraft} />
    </div>
  `;
}

function ControlToken({ session }) {
  const [token, setToken] = useState("");
  const [problem, setProblem] = useState(null);
  const give = (event) => {
    event.preventDefault();
    session.giveControlToken(token).catch(setProblem);
  };
  return html`
    <form class="card" onSubmit=${give} novalidate>
      <p>The control API of this server asks for its token, the setting PROVISIONING_CONTROL_TOKEN.</p>
      <${Trouble} problem=${problem} />
      <label class="filter">Token <${Text} class="code concealed" value=${token} onInput=${setToken} /></label>
      <button type="submit" class="primary">Go on</button>
    </form>
  `;
}

function Clock({ session, onMoved }) {
  const [, tick] = useState(0);
  const [to, setTo] = useState("");
  const [by, setBy] = useState("");
  const [problem, setProblem] = useState(null);
  const isFrozen = session.clock.frozenAt !== null;
  useEffect(() => {
    const timer = setInterval(() => tick((old) => old + 1), 1000);
    return () => clearInterval(timer);
  }, []);
  async function move(target, facts) {
    try {
      session.tell((await control(target, facts)).data);
      setProblem(null);
      onMoved();
    } catch (caught) {
      setProblem(caught);
    }
  }
  const put = (body) => move("clock", { method: "PUT", body });
  const advance = (text) => move("clock/advance", { method: "POST", body: { by: text } });
  const now = utc(session.now());
  const offset = Math.round((session.now() - Date.now()) / 1000);
  const isOff = Math.abs(offset) > 1 || isFrozen;
  return html`
    <section class="card">
      <header class="head">
        <h2>Clock</h2>
        <span class=${`state ${isFrozen ? "to" : "active"}`}>${isFrozen ? "frozen" : "running"}</span>
      </header>
      <p class="clock"><time datetime=${now} title=${`${now} (UTC)`}>${toTheSecond(now)}</time></p>
      <p class="actions">
        <button type="button" disabled=${isFrozen} onClick=${() => put({ frozen: true })}>Freeze</button>
        <button type="button" disabled=${!isFrozen} onClick=${() => put({ frozen: false })}>Run</button>
        ${isOff && html`<button type="button" onClick=${() => move("clock", { method: "DELETE" })}>Back to the machine's time</button>`}
      </p>
      <p class="actions">${JUMPS.map(([jump, text]) => html`<button type="button" class="small" onClick=${() => advance(jump)}>${text}</button>`)}</p>
      <form class="inline" novalidate onSubmit=${(event) => {
        event.preventDefault();
        const at = fromField(to);
        if (at) put({ now: at });
        else setProblem({ detail: "Give date and time to set the clock to." });
      }}>
        <label class="filter">To <${Text} type="datetime-local" value=${to || toField(now).slice(0, 16)} onInput=${setTo} /></label>
        <button type="submit">Set</button>
      </form>
      <form class="inline" novalidate onSubmit=${(event) => {
        event.preventDefault();
        advance(by);
      }}>
        <label class="filter">By <${Text} size="10" placeholder="P1DT2H" value=${by} onInput=${setBy} /></label>
        <button type="submit">Advance</button>
      </form>
      <${Trouble} problem=${problem && withErrors(problem)} />
      <${Zone} />
    </section>
  `;
}

/** A problem whose members have no field of their own here. */
function withErrors(problem) {
  const { others } = byField(problem.errors, []);
  return { detail: others.length ? others.join(" ") : problem.detail };
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
  async function add(event) {
    event.preventDefault();
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
    <section class="card">
      <header class="head">
        <h2>Faults</h2>
        ${data?.length > 1 && html`<button type="button" class="small" onClick=${remove("faults")}>Remove all</button>`}
      </header>
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
      <form ref=${form.ref} onSubmit=${add} novalidate>
        <div class="fields">${FAULT.filter((each) => !each.more).map(field)}</div>
        <details><summary>More</summary><div class="fields">${rest.map(field)}</div></details>
        <p class="actions"><button type="submit">Add fault</button></p>
      </form>
    </section>
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
      setProblem(withErrors(caught));
    }
  }
  const at = (snapshot) => `snapshots/${encodeURIComponent(snapshot.name)}`;
  return html`
    <section class="card">
      <header class="head">
        <h2>Snapshots</h2>
        <button type="button" class="danger" onClick=${() => setResetting(true)}>Reset</button>
      </header>
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
      <form class="inline" novalidate onSubmit=${(event) => {
        event.preventDefault();
        if (!name.trim()) return setProblem({ detail: "Give the snapshot a name." });
        act(`snapshots/${encodeURIComponent(name.trim())}`, "PUT", "Saved.").then(() => setName(""));
      }}>
        <label class="filter">Name <${Text} size="14" value=${name} onInput=${setName} /></label>
        <button type="submit">Save</button>
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
    </section>
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
    <section class="card">
      <h2>Be one of the demo's people</h2>
      <${Trouble} problem=${problem} />
      <ul class="people">
        ${data.map(
          (key) => html`
            <li key=${key.apiToken}>
              <button type="button" aria-pressed=${String(key.apiToken === session.key)} onClick=${() => be(key)}>
                <span class="who">${key.username ?? `${key.tenant} itself`}</span>
                <span class="muted">${key.role ?? "no role"} · ${key.type} · ${key.tenant}</span>
              </button>
            </li>
          `,
        )}
      </ul>
    </section>
  `;
}

function Requests({ onFault }) {
  const [entries, setEntries] = useState([]);
  const [filters, setFilters] = useState({});
  const [hasOwn, setOwn] = useState(false);
  const [isPaused, setPaused] = useState(false);
  const [problem, setProblem] = useState(null);
  const key = JSON.stringify(filters);
  const last = useRef(0);

  useEffect(() => {
    last.current = 0;
    setEntries([]);
  }, [key]);
  useEffect(() => {
    if (isPaused) return undefined;
    let timer;
    let isWanted = true;
    async function poll() {
      const since = last.current ? { since: last.current } : { limit: FIRST };
      try {
        if (!document.hidden || !last.current) {
          const { data } = await control("requests", { query: { ...filters, ...since } });
          if (!isWanted) return;
          setProblem(null);
          if (data.length) {
            last.current = data.at(-1).id;
            setEntries((old) => [...data.reverse(), ...old].slice(0, KEPT));
          }
        }
      } catch (caught) {
        if (!(caught instanceof Problem)) throw caught;
        if (isWanted) setProblem(withErrors(caught));
      }
      if (isWanted) timer = setTimeout(poll, POLL);
    }
    poll();
    return () => {
      isWanted = false;
      clearTimeout(timer);
    };
  }, [key, isPaused]);

  const shown = hasOwn ? entries : entries.filter((entry) => !entry.requestId.startsWith(MARK));
  const set = (name) => (value) => setFilters(({ [name]: _, ...rest }) => (value ? { ...rest, [name]: value } : rest));
  return html`
    <section class="card">
      <header class="head">
        <h2>Requests</h2>
        <div class="actions">
          <button type="button" class="small" aria-pressed=${String(isPaused)} onClick=${() => setPaused(!isPaused)}>Pause</button>
          <button type="button" class="small" onClick=${async () => {
            await control("requests", { method: "DELETE" }).catch(setProblem);
            setEntries([]);
          }}>Forget all</button>
        </div>
      </header>
      <div class="tools">
        <${Filter} label="Verb" options=${VERBS} value=${filters.method} onValue=${set("method")} />
        <label class="filter">Asked for <${Text} size="12" placeholder="/users/**" onChange=${set("path")} /></label>
        <label class="filter">Answer <${Text} size="5" placeholder="4xx" onChange=${set("status")} /></label>
        <label class="check"><input type="checkbox" onChange=${(event) => set("matched")(event.currentTarget.checked && "false")} /> What no route matched</label>
        <label class="check"><input type="checkbox" checked=${hasOwn} onChange=${(event) => setOwn(event.currentTarget.checked)} /> The console's own, too</label>
      </div>
      <${Trouble} problem=${problem} />
      <p role="status">${plural(shown.length, "request")}${isPaused ? ", paused" : ""}</p>
      ${shown.length
        ? html`<ol class="log">${shown.map((entry) => html`<${Entry} key=${entry.id} entry=${entry} onFault=${onFault} />`)}</ol>`
        : html`<${Empty} title="Nothing has been asked."><p>Point your client at <code>${ROOT.href.replace(/\/$/, "")}${BASE_PATH}</code>, and watch.</p><//>`}
    </section>
  `;
}

function Entry({ entry, onFault }) {
  const [isOpen, setOpen] = useState(false);
  const kind = entry.status === null ? "none" : String(entry.status)[0];
  const below = entry.path.startsWith(BASE_PATH) ? entry.path.slice(BASE_PATH.length) || "/" : entry.path;
  return html`
    <li>
      <details onToggle=${(event) => setOpen(event.currentTarget.open)}>
        <summary>
          <span class=${`verdict s${kind}`}>${entry.status ?? "cut"}</span>
          <span class="verb">${entry.method}</span>
          <span class="target">${below}${entry.query && `?${entry.query}`}</span>
          <span class="muted">${entry.user ?? entry.key ?? ""} ${entry.fault !== null && html`<${Chip}>fault ${entry.fault}<//>`}${entry.matched === null && html`<${Chip}>no route<//>`}</span>
        </summary>
        ${isOpen &&
        html`
          <div class="entry">
            <p class="muted">
              <${Instant} at=${entry.at} exact />, ${number(entry.duration)} ms${entry.matched !== null && html`, route <code>${entry.matched}</code>`}, request <code>${entry.requestId}</code>
            </p>
            <p class="actions">
              <${Copy} label="Copy as curl" text=${curl(entry)} />
              <button type="button" onClick=${() => onFault({ path: below, method: VERBS.includes(entry.method) ? entry.method : "" })}>Make a fault of this</button>
            </p>
            <h3>Headers</h3>
            <pre class="code" tabindex="0">${Object.entries(entry.headers).map(([name, text]) => `${name}: ${text}`).join("\n")}</pre>
            <h3>Request body</h3>
            <${Body} body=${entry.requestBody} />
            <h3>Answer</h3>
            <${Body} body=${entry.responseBody} />
          </div>
        `}
      </details>
    </li>
  `;
}

const Body = ({ body }) =>
  body === null ? html`<p class="muted">none</p>` : html`<pre class="code" tabindex="0">${typeof body === "string" ? body : JSON.stringify(body, null, 2)}</pre>`;

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
const REPEATED = /^(accept|content-type|if-match|if-none-match)$/i;

/** The request as a command; its key, which the log doesn't hold, is that of the shell. */
export function curl(entry) {
  const target = `${ROOT.href.replace(/\/$/, "")}${encodeURI(entry.path)}${entry.query && `?${entry.query}`}`;
  const parts = ["curl", ...(entry.method === "GET" ? [] : entry.method === "HEAD" ? ["--head"] : ["-X", entry.method]), quoted(target)];
  if (entry.key !== null) parts.push('-H "Authorization: Bearer $API_KEY"');
  for (const [name, text] of Object.entries(entry.headers)) if (REPEATED.test(name)) parts.push("-H", quoted(`${name}: ${text}`));
  if (entry.requestBody !== null && typeof entry.requestBody !== "string") parts.push("--data", quoted(JSON.stringify(entry.requestBody)));
  return parts.join(" ");
}
