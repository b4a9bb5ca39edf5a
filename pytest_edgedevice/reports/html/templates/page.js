// Everything that the page knows stands in its table of all cells; this reads it, filters and sorts.
const find = (selector, within = document) => within.querySelector(selector);
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const make = (tag, kind = "", text = "") => {
  const made = document.createElement(tag);
  if (kind) made.className = kind;
  if (text) made.textContent = text;
  return made;
};
const GRAVITY = ["passed", "skipped", "inconclusive", "failed", "infra"];
const heads = all(".cells thead th");
const places = Object.fromEntries(heads.map((head, place) => [head.dataset.dim || head.dataset.metric || "", place]));
const metrics = heads.filter((head) => head.dataset.metric).map((head) => ({
  name: head.dataset.metric, label: head.textContent, unit: head.dataset.unit,
  suffix: head.dataset.suffix, low: head.dataset.low === "1",
}));
const cells = all(".cells tbody tr").map((row) => {
  const told = (name) => row.cells[places[name]];
  const link = find("a", row);
  return {
    row, href: link.getAttribute("href"), visible: true,
    model: told("model").classList.contains("test") ? "" : told("model").textContent, variant: told("variant").textContent, device: told("device").textContent,
    delegate: told("delegate").textContent, outcome: told("outcome").textContent,
    numbers: Object.fromEntries(metrics.map(({ name }) => [name, told(name).dataset.v])
      .filter(([, value]) => value !== undefined).map(([name, value]) => [name, Number(value)])),
    words: row.textContent.toLowerCase(),
  };
});
document.documentElement.classList.add("js");

// ---- what is open and what is filtered stands in the address, so that a link shows the same
const form = find("#filter");
const FIELDS = ["find", "model", "variant", "device", "delegate"];
const address = () => new URLSearchParams(location.hash.slice(1));
const outcomes = new Set();
const setAddress = (change, { leave = false } = {}) => {
  const told = address();
  change(told);
  const hash = `#${told}`;
  if (hash === (location.hash || "#")) return;
  if (leave) location.hash = hash;
  else location.replace(hash);
};

for (const name of FIELDS.slice(1)) {
  const values = [...new Set(cells.map((cell) => cell[name]))].filter(Boolean).sort();
  form.elements[name].append(...values.map((value) => new Option(value, value)));
  form.elements[name].closest("label").hidden = values.length < 2;
}

const applyFilter = () => {
  const wanted = Object.fromEntries(FIELDS.map((name) => [name, form.elements[name].value]));
  const words = wanted.find.toLowerCase().split(/\s+/).filter(Boolean);
  for (const cell of cells) {
    cell.visible = FIELDS.slice(1).every((name) => !wanted[name] || cell[name] === wanted[name])
      && (!outcomes.size || outcomes.has(cell.outcome)) && words.every((word) => cell.words.includes(word));
  }
  const shown = cells.filter((cell) => cell.visible).length;
  const narrowed = shown < cells.length;
  form.querySelector("output").textContent = narrowed ? `${shown} of ${cells.length} cells` : "";
  for (const part of all("[data-cell]")) part.toggleAttribute("hidden", !cells[part.dataset.cell].visible);  // pictures, too
  for (const group of all("main .figures > figure")) {
    const parts = all("[data-cell]", group);
    group.hidden = parts.length > 0 && parts.every((part) => part.hasAttribute("hidden"));
  }
  for (const group of all("details.group")) {
    const about = group.dataset.cells.split(" ").filter(Boolean);
    group.hidden = about.length > 0 && !about.some((place) => cells[place].visible);
  }
  for (const part of all("#pareto, #variants, #delegates, #failures")) {
    const groups = all(".group, figure, .card", part);
    part.hidden = groups.length > 0 && groups.every((group) => group.hidden);
  }
  all(".scatter").forEach((plot) => drawFront(plot, narrowed));
  drawMatrix(narrowed);
};

// the table of a closed group is a text until somebody opens it
const unfold = (group) => {
  const holder = find("noscript", group);
  if (!holder) return;
  const parsed = new DOMParser().parseFromString(holder.textContent, "text/html");
  holder.replaceWith(...[...parsed.body.childNodes].map((node) => document.adoptNode(node)));
  for (const part of all("[data-cell]", group)) part.toggleAttribute("hidden", !cells[part.dataset.cell].visible);
  offerSorting(group);
};
document.addEventListener("toggle", (event) => { if (event.target.matches("details.group")) unfold(event.target); }, true);

// the front of what is shown: nothing shown is faster and better at once
const drawFront = (plot, narrowed) => {
  const front = find(".front", plot);
  front.dataset.all ??= front.getAttribute("d");
  all(".tag", plot).forEach((tag) => { tag.style.visibility = narrowed ? "hidden" : ""; });
  if (!narrowed) { front.setAttribute("d", front.dataset.all); return; }
  const low = plot.getAttribute("aria-label").includes("less is better on both");
  const points = all("a[data-x]:not([hidden])", plot).map((point) => [Number(point.dataset.x), Number(point.dataset.y)]);
  points.sort((one, other) => one[0] - other[0] || (low ? other[1] - one[1] : one[1] - other[1]));
  let best = null;
  let path = "";
  for (const [x, y] of points) {
    if (best !== null && (low ? y <= best : y >= best)) continue;
    path += path ? `H${x}V${y}` : `M${x} ${y}`;
    best = y;
  }
  front.setAttribute("d", path);
};

const keepFilter = () => setAddress((told) => {
  for (const name of FIELDS) {
    if (form.elements[name].value) told.set(name, form.elements[name].value);
    else told.delete(name);
  }
  if (outcomes.size) told.set("outcome", [...outcomes].join(" "));
  else told.delete("outcome");
});
const readFilter = () => {
  const told = address();
  for (const name of FIELDS) form.elements[name].value = told.get(name) || "";
  outcomes.clear();
  for (const name of (told.get("outcome") || "").split(" ").filter(Boolean)) outcomes.add(name);
  for (const button of all(".counts button")) button.setAttribute("aria-pressed", outcomes.has(button.dataset.outcome));
};
let pause = 0;
form.addEventListener("input", () => {
  clearTimeout(pause);
  pause = setTimeout(() => { keepFilter(); applyFilter(); }, cells.length > 500 ? 150 : 0);
});
form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("reset", () => setTimeout(() => { outcomes.clear(); keepFilter(); readFilter(); applyFilter(); }));
for (const button of all(".counts button")) {
  button.addEventListener("click", () => {
    if (!outcomes.delete(button.dataset.outcome)) outcomes.add(button.dataset.outcome);
    button.setAttribute("aria-pressed", outcomes.has(button.dataset.outcome));
    keepFilter();
    applyFilter();
  });
}

// ---- sorting: by number where a place has one, else by text; an empty place is always last
const offerSorting = (within) => {
  for (const head of all("table.sortable thead th", within)) {
    if (!head.textContent || find("button", head)) continue;
    const button = make("button", "", head.textContent);
    button.type = "button";
    head.replaceChildren(button);
  }
};
const sortBy = (head) => {
  const body = head.closest("table").tBodies[0];
  const down = head.getAttribute("aria-sort") === "ascending";
  all("th[aria-sort]", head.parentNode).forEach((other) => other.removeAttribute("aria-sort"));
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  const keyed = [...body.rows].map((row) => {
    const place = row.cells[head.cellIndex];
    const text = place ? place.textContent.trim() : "";
    const number = place && place.dataset.v !== undefined ? Number(place.dataset.v) : null;
    return { row, text, number, empty: number === null && (text === "" || text === "\u2013") };
  });
  const sign = down ? -1 : 1;
  keyed.sort((one, other) => one.empty - other.empty || sign * (
    one.number !== null && other.number !== null ? one.number - other.number
      : one.text.localeCompare(other.text, "en", { numeric: true })));
  body.append(...keyed.map(({ row }) => row));
};
document.addEventListener("click", (event) => {
  const head = event.target.closest && event.target.closest("table.sortable thead th");
  if (head && event.target.closest("button")) sortBy(head);
});

// ---- light and dark: the system's choice until somebody chooses here
const theme = find("#theme");
const isDark = () => (document.documentElement.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
const nameTheme = () => { theme.textContent = isDark() ? "Light" : "Dark"; };
theme.addEventListener("click", () => { document.documentElement.dataset.theme = isDark() ? "light" : "dark"; nameTheme(); });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", nameTheme);
addEventListener("beforeprint", () => {
  all("details.group").forEach(unfold);
  document.documentElement.dataset.before = document.documentElement.dataset.theme || "";
  document.documentElement.dataset.theme = "light";
});
addEventListener("afterprint", () => {
  const { before } = document.documentElement.dataset;
  if (before) document.documentElement.dataset.theme = before;
  else delete document.documentElement.dataset.theme;
});
