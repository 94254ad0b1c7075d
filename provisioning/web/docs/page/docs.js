// The page of the documents: Swagger UI with a filter of its own, in demo mode with the demo's
// keys. Everything is asked for beside this page, whatever path prefix it is below.
/* global SwaggerUIBundle */

const ROOT = new URL("../..", import.meta.url);
const IS_DEMO = document.documentElement.dataset.demo === "on";
const FIRST_GROUP = "users";
const SCHEME = "bearer";
const KEPT = "docs.key";

const filter = document.getElementById("filter");
const found = document.getElementById("found");
const keys = document.getElementById("key");

function followColours() {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
  dark.addEventListener("change", follow);
  follow();
}

/** Whether an operation has all words in its path, verb, texts or parameters. */
function matches(operation, words) {
  const told = operation.get("operation").toJS();
  const parameters = (told.parameters ?? []).map((each) => each.name ?? each.$ref);
  const texts = [operation.get("method"), operation.get("path"), told.operationId, told.summary];
  const text = [...texts, ...told.tags, ...parameters].join(" ").toLowerCase();
  return words.every((word) => text.includes(word));
}

const byWords = {
  fn: {
    opsFilter(groups, phrase) {
      const words = phrase.toLowerCase().split(/\s+/).filter(Boolean);
      const kept = groups.map((group) =>
        group.update("operations", (all) => all.filter((each) => matches(each, words))),
      );
      return kept.filter((group) => group.get("operations").size);
    },
  },
  // Its own field filters groups only.
  components: { FilterContainer: () => null },
};

/** The address of the page names the operation that was opened last. Swagger UI's own way adds
 * to the history with each group that opens or closes. */
const addresses = {
  statePlugins: {
    layout: {
      wrapActions: {
        show: (original) => (thing, isShown = true) => {
          const [kind, ...names] = thing;
          if (kind === "operations" && isShown) {
            history.replaceState(null, "", `#/${names.map(encodeURIComponent).join("/")}`);
          }
          return original(thing, isShown);
        },
      },
    },
  },
};

function openGroups(ui, names) {
  for (const name of ui.specSelectors.taggedOperations().keySeq()) {
    ui.layoutActions.show(["operations-tag", name], names.includes(name));
  }
}

function openAddressed(ui) {
  const [, group, operation] = location.hash.split("/").map(decodeURIComponent);
  openGroups(ui, [group || FIRST_GROUP]);
  if (!operation) return;
  ui.layoutActions.show(["operations", group, operation], true);
  // Once it is there.
  setTimeout(() => document.getElementById(`operations-${group}-${operation}`)?.scrollIntoView());
}

function applyFilter(ui) {
  const phrase = filter.value.trim();
  ui.layoutActions.updateFilter(phrase || true);
  const groups = ui.specSelectors.taggedOperations();
  openGroups(ui, phrase ? [...groups.keySeq()] : [FIRST_GROUP]);
  const count = groups.reduce((sum, group) => sum + group.get("operations").size, 0);
  found.textContent = phrase ? `${count} operations` : "";
}

/** What the control API tells of keys, in demo mode alone. */
async function demoKeys() {
  const response = IS_DEMO ? await fetch(new URL("_control/keys", ROOT)) : null;
  return response?.ok ? response.json() : [];
}

function offerKeys(ui, known) {
  if (!known.length) return;
  for (const key of known) {
    const who = key.username ?? `${key.name ?? "a key"} (nobody)`;
    const as = [key.role, key.type === "BASIC" ? "" : key.type].filter(Boolean).join(", ");
    keys.add(new Option(`${who}: ${as} of ${key.tenant}`, key.apiToken));
  }
  const kept = sessionStorage.getItem(KEPT);
  if (known.some((key) => key.apiToken === kept)) keys.value = kept;
  const ask = () => {
    sessionStorage.setItem(KEPT, keys.value);
    ui.preauthorizeApiKey(SCHEME, keys.value);
  };
  ask();
  keys.addEventListener("change", ask);
  document.getElementById("ask").hidden = false;
}

followColours();
const [spec, known] = await Promise.all([
  fetch(new URL("openapi.json", ROOT)).then((response) => response.json()),
  demoKeys(),
]);
// What is tried is asked of the server that this page came from, by whatever name and scheme.
spec.servers = [{ url: ROOT.href.replace(/\/$/, "") }];
const ui = SwaggerUIBundle({
  spec,
  dom_id: "#swagger-ui",
  plugins: [byWords, addresses],
  deepLinking: false,
  docExpansion: "none",
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  filter: true,
  persistAuthorization: false,
  validatorUrl: null,
  onComplete() {
    openAddressed(ui);
    addEventListener("hashchange", () => openAddressed(ui));
    offerKeys(ui, known);
    filter.addEventListener("input", () => applyFilter(ui));
  },
});
document.getElementById("tools").addEventListener("submit", (event) => event.preventDefault());
