// The matrix as it is asked for: other rows, other columns, coloured by a metric, of the cells that are shown.
const MOST_ROWS = 300;
const MOST_COLUMNS = 40;
const DIMENSIONS = {
  "model, variant": ["model", "variant"], model: ["model"], variant: ["variant"],
  "device, delegate": ["device", "delegate"], device: ["device"], delegate: ["delegate"],
};
const STANDARD = ["model, variant", "device, delegate", "outcome"];
const pivot = find("#pivot");
const grid = find("table.matrix");
const printed = grid && [...grid.children];
const choice = (name) => find(`[name=${name}]`, pivot);
const keyOf = (cell, names) => names.map((name) => cell[name]).join("\n");
const reasons = [];
const usual = metrics.find(({ name }) => name === "p95") || metrics.find(({ name }) => name === "p50") || metrics[0];

if (grid) {
  const columns = all("thead th", grid).map((head) => [head.firstChild.textContent, find("small", head).textContent].join("\n"));
  for (const row of all("tbody tr", grid)) {
    const head = find("th", row);
    const name = [head.firstChild.textContent, find("small", head).textContent].join("\n");
    all("td", row).forEach((place, number) => {
      const link = find("a", place);
      if (!place.classList.contains("empty") || !link) return;
      const cell = cells.find(({ href }) => href === link.getAttribute("href"));
      reasons.push({ row: name, column: columns[number], place, cell });
    });
  }
  for (const [name, standard] of [["rows", STANDARD[0]], ["columns", STANDARD[1]]]) {
    choice(name).append(...Object.keys(DIMENSIONS).map((key) => new Option(key, key, key === standard, key === standard)));
  }
  choice("colour").append(new Option("outcome", "outcome"), ...metrics.map(({ name, label }) => new Option(label, name)));
  pivot.addEventListener("change", () => drawMatrix());
}

const heading = (key, scope) => {
  const [first, ...rest] = key.split("\n");
  const head = make("th", "", first || "none");
  head.scope = scope;
  head.append(make("small", "", rest.join(" ")));
  return head;
};

// seven steps from the best to the worst value; by ratio where the values are far apart
const ranker = (metric, values) => {
  const low = Math.min(...values);
  const high = Math.max(...values);
  const log = low > 0 && high / low > 20;
  const put = (value) => (log ? Math.log(value) : value);
  const span = put(high) - put(low);
  return (value) => {
    const share = span > 0 ? (put(value) - put(low)) / span : 0;
    return Math.round(6 * (metric.low ? share : 1 - share));
  };
};

const slot = (group, metric, rank) => {
  const place = make("td");
  const gravest = group.reduce((one, other) => (GRAVITY.indexOf(other.outcome) > GRAVITY.indexOf(one.outcome) ? other : one));
  const shown = metric || usual;
  const valued = shown ? group.filter((cell) => cell.numbers[shown.name] !== undefined) : [];
  const worst = valued.length && valued.reduce((one, other) => (
    (other.numbers[shown.name] > one.numbers[shown.name]) === shown.low ? other : one));
  const link = make("a");
  link.href = (metric && worst ? worst : gravest).href;
  if (worst) link.append(make("b", "", worded(worst.numbers[shown.name], shown.unit, shown.suffix)));
  link.append(make("span", `outcome ${gravest.outcome}`, gravest.outcome));
  if (group.length > 1) link.append(make("small", "", `worst of ${group.length}`));
  place.className = metric && worst ? `q${rank(worst.numbers[shown.name])}` : metric ? "empty" : gravest.outcome;
  place.append(link);
  return place;
};

const drawMatrix = (narrowed = cells.some((cell) => !cell.visible)) => {
  if (!grid) return;
  const [rows, columns, colour] = ["rows", "columns", "colour"].map((name) => choice(name).value);
  find(".ramp", pivot).hidden = colour === "outcome";
  if (!narrowed && rows === STANDARD[0] && columns === STANDARD[1] && colour === STANDARD[2]) {
    grid.replaceChildren(...printed);
    return;
  }
  const metric = metrics.find(({ name }) => name === colour);
  const groups = new Map();
  const [down, along] = [new Set(), new Set()];
  for (const cell of cells) {
    if (!cell.visible || !cell.model) continue;
    const [row, column] = [keyOf(cell, DIMENSIONS[rows]), keyOf(cell, DIMENSIONS[columns])];
    down.add(row);
    along.add(column);
    const key = `${row}\n${column}`;
    if (groups.has(key)) groups.get(key).push(cell);
    else groups.set(key, [cell]);
  }
  const standard = rows === STANDARD[0] && columns === STANDARD[1];
  const empty = new Map(reasons.filter(({ row, cell }) => standard && cell.visible && down.has(row))
    .map(({ row, column, place }) => [`${row}\n${column}`, { column, place }]));
  for (const { column } of empty.values()) along.add(column);
  const values = metric ? [...groups.values()].flat().map((cell) => cell.numbers[metric.name]).filter((value) => value !== undefined) : [];
  const rank = metric && values.length ? ranker(metric, values) : () => 0;
  const names = [...along].sort().slice(0, MOST_COLUMNS);
  const told = `${(metric || usual || { label: "Outcome" }).label} of each ${rows} (rows) and ${columns} (columns)`;
  const caption = make("caption", "", down.size ? told : "None of the cells shown has a model.");
  const top = make("tr");
  top.append(make("td"), ...names.map((name) => heading(name, "col")));
  const head = make("thead");
  head.append(top);
  const body = make("tbody");
  for (const row of [...down].sort().slice(0, MOST_ROWS)) {
    const line = make("tr");
    line.append(heading(row, "row"), ...names.map((name) => {
      const group = groups.get(`${row}\n${name}`);
      if (group) return slot(group, metric, rank);
      const reason = empty.get(`${row}\n${name}`);
      return reason ? reason.place.cloneNode(true) : make("td", "empty", narrowed ? "" : "not run");
    }));
    body.append(line);
  }
  grid.replaceChildren(caption, head, body);
};
