// Preact with htm: the one library, in one place.
import htm from "./vendor/htm.js";
import { createContext, h, render } from "./vendor/preact.js";

export const html = htm.bind(h);
export { createContext, render };
export { useContext, useEffect, useId, useLayoutEffect, useRef, useState } from "./vendor/hooks.js";
