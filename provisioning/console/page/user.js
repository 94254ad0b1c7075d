// A user's page: the profile, privileges over time, keys, reporting lines and history.
import { ask, askAll, path } from "./api.js";
import { AuditTable } from "./audit.js";
import { ChangeKeyDialog, keyTitle, NewKeyDialog, RemoveKeyDialog, RotateKeyDialog } from "./keys.js";
import { isOver } from "./kinds.js";
import { address, Chip, Empty, Instant, RowButton, State, Trouble, useLoaded, UserLink, Zone } from "./pieces.js";
import { ChangePrivilegeDialog, GrantDialog, RevokeAllDialog, RevokeDialog, ROLES } from "./privileges.js";
import { Members } from "./records.js";
import { useCurrent } from "./session.js";
import { Timeline } from "./timeline.js";
import { ChangeUserDialog } from "./user-dialogs.js";
import { html, useState } from "./view.js";
import { nameOf } from "./words.js";

const NOT_IN_PROFILE = ["tenantUserPrivileges", "activeApiKeys", "username", "home", "id"];
const DIALOGS = {
  profile: ChangeUserDialog,
  grant: GrantDialog,
  change: ChangePrivilegeDialog,
  revoke: RevokeDialog,
  revokeAll: RevokeAllDialog,
  newKey: NewKeyDialog,
  rotateKey: RotateKeyDialog,
  changeKey: ChangeKeyDialog,
  removeKey: RemoveKeyDialog,
};

export function UserPage({ username }) {
  const session = useCurrent();
  const [dialog, setDialog] = useState(null);
  const load = async () => {
    const [{ data: user }, { data: keys }] = await Promise.all([
      ask(path`users/${username}`),
      askAll(path`users/${username}/api-keys`, {}, 300),
    ]);
    const { data: reports } = await ask("privileges", { query: { reportsTo: user.username, active: "true", size: 100 } });
    // A server that doesn't know the filter answers with everything.
    const below = reports.filter((privilege) => privilege.reportsTo?.toLowerCase() === user.username.toLowerCase());
    return { user, keys, below };
  };
  const { data, problem, reload } = useLoaded(load, username);
  if (!data) {
    return html`
      <header class="head"><h1>${username}</h1></header>
      ${problem && html`<${Trouble} problem=${problem} again=${reload} />`}
    `;
  }

  const { user, keys, below } = data;
  const isMe = session.isMe(user.username);
  const mayProfile = (session.manages || (isMe && session.may("write") && session.who.role !== "INTERNAL_AUDITING")) && user.home !== false;
  const privileges = user.tenantUserPrivileges.map((privilege) => ({ ...privilege, user }));
  const open = (name, record) => () => setDialog({ name, record });
  const above = [...new Set(privileges.filter((each) => each.reportsTo && !isOver(each, session)).map((each) => each.reportsTo))];
  const DialogOf = dialog && DIALOGS[dialog.name];
  return html`
    <p class="back"><a href=${address(["users"])}>← All people</a></p>
    <header class="head">
      <h1>${nameOf(user)}${isMe && html` <span class="chip mine">you</span>`}</h1>
      <div class="actions">
        ${mayProfile && html`<button type="button" onClick=${open("profile", user)}>Change profile</button>`}
        ${session.manages &&
        privileges.some((each) => !isOver(each, session)) &&
        html`<button type="button" class="danger" onClick=${open("revokeAll")}>Revoke all</button>`}
      </div>
    </header>
    <${Trouble} problem=${problem} again=${reload} />

    <section class="card" aria-labelledby="profile">
      <h2 id="profile">Profile</h2>
      ${user.home === false && html`<p class="muted">This account is at home in another tenant: its profile is changed there, and here its private part is not shown.</p>`}
      <p class="lead">${user.username}</p>
      <${Members} record=${user} without=${NOT_IN_PROFILE} />
    </section>

    <section class="card" aria-labelledby="held">
      <header class="head">
        <h2 id="held">Roles over time</h2>
        ${session.manages && html`<button type="button" class="primary" onClick=${open("grant")}>New privilege</button>`}
      </header>
      ${privileges.length
        ? html`<${Timeline} privileges=${privileges} roles=${ROLES} /><${PrivilegeTable} privileges=${privileges} session=${session} open=${open} />`
        : html`<${Empty} title="No role in this tenant, and none before."><//>`}
      <${Zone} />
    </section>

    <section class="card" aria-labelledby="keys">
      <header class="head">
        <h2 id="keys">Keys</h2>
        ${session.may("makeKeys") && html`<button type="button" class="primary" onClick=${open("newKey")}>New API key</button>`}
      </header>
      ${keys.length
        ? html`<${KeyTable} keys=${keys} session=${session} open=${open} />`
        : html`<${Empty} title="No keys, as far as you may see."><//>`}
    </section>

    <section class="card" aria-labelledby="lines">
      <h2 id="lines">Reporting line</h2>
      <p>${above.length ? html`Reports to ${above.map((each) => html`<${UserLink} profile=${{ username: each }} /> `)}` : "Reports to nobody."}</p>
      ${below.length > 0 &&
      html`
        <p>Report directly:</p>
        <ul class="tree">${below.map((each) => html`<li class="leaf"><${UserLink} profile=${each.user} /> <${Chip}>${each.role}<//></li>`)}</ul>
      `}
    </section>

    ${session.isOverseer &&
    html`
      <section class="card" aria-labelledby="history">
        <header class="head"><h2 id="history">History</h2><a href=${address(["audit"], { user: user.username })}>All of it</a></header>
        <${AuditTable} asked=${{ user: user.username, size: 8 }} />
      </section>
    `}

    ${DialogOf &&
    html`
      <${DialogOf}
        record=${dialog.record}
        username=${user.username}
        owner=${user.username}
        onClose=${() => setDialog(null)}
        onDone=${() => {
          setDialog(null);
          reload();
        }}
      />
    `}
  `;
}

function PrivilegeTable({ privileges, session, open }) {
  const mayChange = session.manages && privileges.some((each) => !isOver(each, session));
  return html`
    <table class="list" role="table">
      <thead role="rowgroup">
        <tr role="row">
          ${["Role", "Active from", "Active until", "Reports to", "State"].map((text) => html`<th scope="col" role="columnheader">${text}</th>`)}
          ${mayChange && html`<td role="cell"></td>`}
        </tr>
      </thead>
      <tbody role="rowgroup">
        ${privileges.map(
          (each) => html`
            <tr role="row" key=${each.id}>
              <td role="cell" data-label="Role" class="name" id=${`privilege-${each.id}`}><${Chip}>${each.role}<//></td>
              <td role="cell" data-label="Active from"><${Instant} at=${each.activeFrom} /></td>
              <td role="cell" data-label="Active until"><${Instant} at=${each.activeUntil} none="no end" /></td>
              <td role="cell" data-label="Reports to">${each.reportsTo ? html`<${UserLink} profile=${{ username: each.reportsTo }} />` : "—"}</td>
              <td role="cell" data-label="State"><${State} of=${each} /></td>
              ${mayChange &&
              html`
                <td role="cell" class="last">
                  ${!isOver(each, session) &&
                  html`
                    <${RowButton} of=${`privilege-${each.id}`} onClick=${open("change", each)}>Change<//>
                    <${RowButton} of=${`privilege-${each.id}`} danger onClick=${open("revoke", each)}>Revoke<//>
                  `}
                </td>
              `}
            </tr>
          `,
        )}
      </tbody>
    </table>
  `;
}

function KeyTable({ keys, session, open }) {
  const mayMake = session.may("makeKeys");
  const mayRemove = (key) => mayMake || (session.may("write") && session.isMe(key.user?.username));
  return html`
    <table class="list" role="table">
      <thead role="rowgroup">
        <tr role="row">
          ${["Name", "Type", "Active from", "Active until", "State"].map((text) => html`<th scope="col" role="columnheader">${text}</th>`)}
          ${keys.some(mayRemove) && html`<td role="cell"></td>`}
        </tr>
      </thead>
      <tbody role="rowgroup">
        ${keys.map(
          (key) => html`
            <tr role="row" key=${key.id}>
              <td role="cell" data-label="Name" class="name" id=${`key-${key.id}`}>
                ${key.name ? keyTitle(key) : key.id}${key.apiToken === session.key && html` <span class="chip mine">yours now</span>`}
              </td>
              <td role="cell" data-label="Type"><${Chip}>${key.type}<//></td>
              <td role="cell" data-label="Active from"><${Instant} at=${key.activeFrom} /></td>
              <td role="cell" data-label="Active until"><${Instant} at=${key.activeUntil} none="no end" /></td>
              <td role="cell" data-label="State"><${State} of=${key} /></td>
              ${keys.some(mayRemove) &&
              html`
                <td role="cell" class="last">
                  ${mayMake &&
                  html`
                    <${RowButton} of=${`key-${key.id}`} onClick=${open("rotateKey", key)}>Rotate<//>
                    <${RowButton} of=${`key-${key.id}`} onClick=${open("changeKey", key)}>Change<//>
                  `}
                  ${mayRemove(key) && html`<${RowButton} of=${`key-${key.id}`} danger onClick=${open("removeKey", key)}>Remove<//>`}
                </td>
              `}
            </tr>
          `,
        )}
      </tbody>
    </table>
  `;
}
