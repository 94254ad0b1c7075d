// Preact with htm: the one library, in one place.
import htm from "./vendor/htm.js";
import { createContext, Fragment, h, render } from "./vendor/preact.js";

export const html = htm.bind(h);
export { createContext, Fragment, render };
export {
	useContext,
	useEffect,
	useId,
	useLayoutEffect,
	useMemo,
	useRef,
	useState,
} from "./vendor/hooks.js";
