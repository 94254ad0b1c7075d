// Who has changed what, newest first.
import { ask } from "./api.js";
import { Filter, Header, Pager, Search } from "./list.js";
import { address, Chip, Dialog, Empty, go, Instant, Trouble, useLoaded } from "./pieces.js";
import { Value } from "./records.js";
import { html, useId, useState } from "./view.js";
import { fromField, inWords, plural, toField } from "./words.js";

const RESOURCES = ["tenants", "users", "privileges", "domain-mapping", "services", "tenant-dashboards", "tenant-statements", "statements", "endpoints", "api-keys"];
const FILTERS = [
  { name: "resource", label: "On", options: RESOURCES },
  { name: "action", label: "Only", options: ["create", "change", "remove"] },
  { name: "via", label: "Via", options: ["api", "scim", "cli"] },
];
const KIND = { name: "audit", one: "record", many: "records" };

export function AuditPage({ query }) {
  const set = (changes, replace = false) => go(address(["audit"], { ...query, page: undefined, ...changes }), replace);
  const { view: _, ...asked } = query;
  const [page, setPage] = useState(null);
  return html`
    <header class="head"><h1>Audit</h1></header>
    <div class="tools">
      <${Search} text=${query.q ?? ""} onText=${(q) => set({ q: q || undefined }, true)} />
      ${FILTERS.map((filter) => html`<${Filter} key=${filter.name} filter=${filter} value=${query[filter.name] ?? ""} onValue=${(value) => set({ [filter.name]: value || undefined })} />`)}
      <${Words} label="By whom" text=${query.by ?? ""} onText=${(by) => set({ by: by || undefined })} />
      <${Words} label="About whom" text=${query.user ?? ""} onText=${(user) => set({ user: user || undefined })} />
      <${Moment} label="From" at=${query.from} onAt=${(from) => set({ from })} />
      <${Moment} label="Until" at=${query.until} onAt=${(until) => set({ until })} />
    </div>
    <${AuditTable} asked=${asked} order=${query.order ?? ""} onOrder=${(order) => set({ order })} onData=${setPage} />
    <${Pager} kind=${KIND} data=${page} query=${query} onPage=${(number) => set({ page: number || undefined })} onSize=${(size) => set({ size })} />
  `;
}

function Words({ label, text, onText }) {
  const id = useId();
  return html`
    <div class="filter">
      <label for=${id}>${label}</label>
      <input id=${id} type="text" size="14" spellcheck="false" autocomplete="off" value=${text} onChange=${(event) => onText(event.currentTarget.value.trim())} />
    </div>
  `;
}

function Moment({ label, at, onAt }) {
  const id = useId();
  return html`
    <div class="filter">
      <label for=${id}>${label}</label>
      <input id=${id} type="datetime-local" value=${toField(at)} title=${at ? `${at} (UTC)` : undefined} onChange=${(event) => onAt(fromField(event.currentTarget.value) ?? undefined)} />
    </div>
  `;
}

/** Audit records that the filters let through; each opens to what it has changed. */
export function AuditTable({ asked, order, onOrder, onData }) {
  const [opened, setOpened] = useState(null);
  const load = async () => {
    const page = await ask("audit", { query: asked });
    onData?.(page);
    return page;
  };
  const { data, problem, isLoading, reload } = useLoaded(load, JSON.stringify(asked));
  if (problem?.status === 404) return html`<${Empty} title="This server keeps no audit."><//>`;
  if (problem) return html`<${Trouble} problem=${problem} again=${reload} />`;
  if (!data) return null;
  if (!data.data.length) return html`<${Empty} title="Nothing is recorded here."><p>Every change through the API, SCIM or the command line is.</p><//>`;
  const columns = ["at", "by", "action", "resource", "target", "user"].map((member) => ({ member, order: onOrder && member }));
  return html`
    <table class="list" role="table" aria-busy=${String(isLoading)}>
      <thead role="rowgroup">
        <tr role="row">${columns.map((column) => html`<${Header} column=${column} order=${order} onOrder=${onOrder} />`)}<td role="cell"></td></tr>
      </thead>
      <tbody role="rowgroup">
        ${data.data.map(
          (record) => html`
            <tr role="row" key=${record.id}>
              <td role="cell" data-label="When" class="name" id=${`audit-${record.id}`}><${Instant} at=${record.at} exact /></td>
              <td role="cell" data-label="By"><${Who} name=${record.by} else=${record.via === "cli" ? "the command line" : `key ${record.key}`} /></td>
              <td role="cell" data-label="Action"><span class=${`state ${record.action}`}>${record.action}</span></td>
              <td role="cell" data-label="Resource">${record.resource}</td>
              <td role="cell" data-label="Target">${record.target}</td>
              <td role="cell" data-label="User"><${Who} name=${record.user} else="—" /></td>
              <td role="cell" class="last">
                <button type="button" class="small quiet" aria-describedby=${`audit-${record.id}`} onClick=${() => setOpened(record)}>
                  ${plural(Object.keys(record.changes).length, "member")}
                </button>
              </td>
            </tr>
          `,
        )}
      </tbody>
    </table>
    ${opened && html`<${Changes} record=${opened} onClose=${() => setOpened(null)} />`}
  `;
}

const Who = ({ name, else: other }) => (name ? html`<a href=${address(["users", name])}>${name}</a>` : other);

function Changes({ record, onClose }) {
  return html`
    <${Dialog} title=${`${record.action} of ${record.resource} ${record.target}`} onClose=${onClose} wide>
      <div class="body">
        <p><${Instant} at=${record.at} exact />, by ${record.by ?? "nobody with a name"}, via ${record.via}${record.client && ` from ${record.client}`}${record.requestId && html`, request <code>${record.requestId}</code>`}.</p>
        <div class="scroll" tabindex="0" role="region" aria-label="What has changed">
          <table>
            <thead><tr><th scope="col">Member</th><th scope="col">From</th><th scope="col">To</th></tr></thead>
            <tbody>
              ${Object.entries(record.changes).map(
                ([member, { from, to }]) => html`
                  <tr><th scope="row">${inWords(member)}</th><td><${Shown} member=${member} value=${from} /></td><td class="changed"><${Shown} member=${member} value=${to} /></td></tr>
                `,
              )}
            </tbody>
          </table>
        </div>
      </div>
      <footer><button type="button" class="primary" onClick=${onClose}>Close</button></footer>
    <//>
  `;
}

// The audit masks secrets itself; a digest stands for what is too long.
const Shown = ({ member, value }) =>
  value?.sha256 ? html`<${Chip}>${plural(value.bytes, "byte")}<//>` : html`<${Value} member=${value === "********" ? "" : member} value=${value} />`;
