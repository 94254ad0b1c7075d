// Dialogs for privileges: granting, changing and revoking them.
import { ask, path } from "./api.js";
import { RecordDialog, suggestEverybody, suggestUsers } from "./form.js";
import { say } from "./pieces.js";
import { ChangeDialog, RemoveDialog } from "./records.js";
import { useCurrent } from "./session.js";
import { html } from "./view.js";

export const ROLES = ["USER", "TEAM_LEADER", "MANAGEMENT", "INTERNAL_AUDITING", "ADMINISTRATOR"];
export const TERMS = [
  { member: "role", options: ROLES, required: true },
  { member: "reportsTo", suggest: suggestUsers, hint: "A username of this tenant." },
  { member: "activeFrom", type: "instant", hint: "Empty for now." },
  { member: "activeUntil", type: "instant", hint: "Empty for no end." },
];
const OWN = "These are your own rights in this tenant: you may not be able to take it back.";

/** Grant a role to `username`, or to whom the form names. */
export function GrantDialog({ username, onDone, onClose }) {
  const who = { member: "username", suggest: suggestEverybody, required: true, hint: "Anyone with an account, of any tenant." };
  return html`
    <${RecordDialog}
      title=${username ? `New privilege of ${username}` : "New privilege"}
      fields=${username ? TERMS : [who, ...TERMS]}
      record=${null}
      save=${(body) => ask("privileges", { method: "POST", body: username ? { username, ...body } : body })}
      onSaved=${({ data }) => {
        say("Granted.");
        onDone(data);
      }}
      onClose=${onClose}
    />
  `;
}

export function ChangePrivilegeDialog({ record, onDone, onClose }) {
  const session = useCurrent();
  const isMine = session.isMe(record.user.username);
  return html`
    <${ChangeDialog}
      title=${`Change ${record.role} of ${record.user.username}`}
      intro=${isMine && OWN}
      target=${`privileges/${record.id}`}
      fields=${TERMS}
      onDone=${() => {
        if (isMine) session.refresh();
        onDone();
      }}
      onClose=${onClose}
    />
  `;
}

export function RevokeDialog({ record, onDone, onClose }) {
  const session = useCurrent();
  const isMine = session.isMe(record.user.username);
  return html`
    <${RemoveDialog}
      title=${`Revoke ${record.role} of ${record.user.username}?`}
      verb="Revoke"
      target=${`privileges/${record.id}`}
      done="Revoked."
      warning=${isMine && OWN}
      onDone=${() => {
        if (isMine) session.refresh();
        onDone();
      }}
      onClose=${onClose}
    >
      <p><strong>${record.user.username}</strong> loses the role <strong>${record.role}</strong> now. The record stays as history.</p>
    <//>
  `;
}

/** Revoke everything that a user holds here. */
export function RevokeAllDialog({ username, onDone, onClose }) {
  const session = useCurrent();
  const isMine = session.isMe(username);
  return html`
    <${RemoveDialog}
      title=${`Revoke all privileges of ${username}?`}
      verb="Revoke all"
      target=${path`users/${username}`}
      done="All privileges are revoked."
      warning=${isMine && OWN}
      onDone=${() => {
        if (isMine) session.refresh();
        onDone();
      }}
      onClose=${onClose}
    >
      <p><strong>${username}</strong> loses every role in this tenant now, and keys stop working. The account and other tenants are untouched.</p>
    <//>
  `;
}
