// Dialogs over one record: showing it, changing it safely, removing it.
import { ask } from "./api.js";
import { RecordDialog } from "./form.js";
import { Confirm, Dialog, Instant, SafeUrl, say, Trouble, UserLink, useLoaded } from "./pieces.js";
import { html } from "./view.js";
import { inWords } from "./words.js";

const SECRETS = new Set(["apiToken", "password", "provPassword", "apiKey"]);
const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;

/** A member's value for people. */
export function Value({ member, value }) {
  if (value === null || value === undefined || value === "") return "—";
  if (SECRETS.has(member)) return "set, not shown here";
  if (Array.isArray(value) || (typeof value === "object" && !value.username)) {
    return html`<pre class="code">${JSON.stringify(value, null, 2)}</pre>`;
  }
  if (typeof value === "object") return html`<${UserLink} profile=${value} />`;
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (INSTANT.test(value)) return html`<${Instant} at=${value} />`;
  return html`<${SafeUrl} url=${String(value)} />`;
}

/** All members of a record, apart from those left out. */
export function Members({ record, without = [] }) {
  const names = Object.keys(record).filter((member) => !without.includes(member));
  return html`
    <dl class="members">
      ${names.map(
        (member) => html`
          <div><dt>${inWords(member)}</dt><dd><${Value} member=${member} value=${record[member]} /></dd></div>
        `,
      )}
    </dl>
  `;
}

export function ShowDialog({ title, record, onClose }) {
  return html`
    <${Dialog} title=${title} onClose=${onClose} wide>
      <div class="body"><${Members} record=${record} without=${["apiToken"]} /></div>
      <footer><button type="button" class="primary" onClick=${onClose}>Close</button></footer>
    <//>
  `;
}

/** Change the record at `target`: gets it with its ETag first. `prepare` makes it fit the fields. */
export function ChangeDialog({ title, intro, target, fields, prepare = (data) => data, unwrap = (body) => body, onDone, onClose }) {
  const again = async () => {
    const { data, etag } = await ask(target);
    return { data: prepare(data), etag };
  };
  const { data, problem } = useLoaded(again, target);
  if (problem) {
    return html`
      <${Dialog} title=${title} onClose=${onClose}>
        <div class="body"><${Trouble} problem=${problem} /></div>
        <footer><button type="button" onClick=${onClose}>Close</button></footer>
      <//>
    `;
  }
  if (!data) return null;
  return html`
    <${RecordDialog}
      title=${title}
      intro=${intro}
      fields=${fields}
      record=${data.data}
      etag=${data.etag}
      again=${again}
      save=${(body, etag) => ask(target, { method: "PUT", body: unwrap(body), etag })}
      onSaved=${() => {
        say("Saved.");
        onDone();
      }}
      onClose=${onClose}
    />
  `;
}

/** Remove, revoke or end what is at `target`, after asking. */
export function RemoveDialog({ title, verb, target, done, warning, onDone, onClose, children }) {
  return html`
    <${Confirm}
      title=${title}
      verb=${verb}
      warning=${warning}
      onClose=${onClose}
      act=${async () => {
        await ask(target, { method: "DELETE" });
        say(done);
        onDone();
      }}
    >
      ${children}
    <//>
  `;
}
