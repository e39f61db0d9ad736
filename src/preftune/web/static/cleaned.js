// The one place where HTML from the server becomes elements: the server has cleaned it.

const policy = globalThis.trustedTypes?.createPolicy("cleaned-by-the-server", {createHTML: (html) => html});
export function fill(node, html) { node.innerHTML = policy ? policy.createHTML(html) : html; }
