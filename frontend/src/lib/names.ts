/** Names that more than one part of the page goes by. */

/** The header that names a request. */
export const HEADER = "x-request-id";

/** Where this browser keeps how its person likes the page. */
export const UI_KEY = "csp.ui";
