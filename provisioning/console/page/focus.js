// Focus stays where one works, also when what had it goes away or is switched off.
const FOCUSABLE = "a[href], button:not(:disabled), input:not(:disabled), select, textarea";

/** Within `root` a neighbour of what goes gets its focus, else the page's main part. */
export function keepFocus(root) {
	let way = []; // the focused element and those around it, each with its place
	root.addEventListener("focusin", ({ target }) => {
		way = [];
		for (let each = target; each !== root; each = each.parentElement) way.push([each, [...each.parentElement.children].indexOf(each)]);
	});
	function look() {
		if (!way.length) return;
		const [[last]] = way;
		const { activeElement } = document;
		if ((last.isConnected && !last.disabled) || (activeElement !== document.body && activeElement !== last)) return;
		const level = way.findIndex(([each], at) => at > 0 && each.isConnected);
		if (level < 0) return;
		const [near] = way[level];
		const next = near.children[Math.min(way[level - 1][1], near.children.length - 1)] ?? near;
		const around = near.matches("main, .shell") ? [] : [...(near.closest("dialog, section, table, .pager") ?? near).querySelectorAll(FOCUSABLE)];
		const isAfter = (each) => each === next || next.compareDocumentPosition(each) & Node.DOCUMENT_POSITION_FOLLOWING;
		(around.find(isAfter) ?? around.at(-1) ?? root.querySelector("main"))?.focus();
	}
	new MutationObserver(look).observe(root, { subtree: true, childList: true, attributes: true, attributeFilter: ["disabled"] });
}
