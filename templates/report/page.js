// The table of a sweep: sorted, filtered, drawn as far as it is seen; a variant's details are unpacked when they are opened.

const DATA = JSON.parse(byId("data").textContent);
const STEP = 100; // rows that are drawn at a time
const NAMES = ["number", "status", "source", "operation", "site", "module", "args", "error", "exported", "packed", "picture", "values", "texts"];
const ROWS = DATA.rows.map((row, index) => {
  const found = Object.fromEntries(NAMES.map((name, i) => [name, row[i]]));
  found.index = index;
  found.source = DATA.sources[found.source];
  found.place = `${found.operation} ${found.site}`.trim();
  found.full = `${found.module} ${found.args}`.trim();
  found.state = found.error ? `${found.status}: ${found.error}` : found.status;
  found.text = `${found.full} ${found.place} ${found.source} ${found.state}`.toLowerCase();
  return found;
});
const EXPORTED = ROWS.some((row) => row.exported);
const COLUMNS = [
  { title: "module", of: (row) => row.full },
  { title: "site", of: (row) => row.place },
  { title: "backbone", of: (row) => row.source },
  { title: "status", of: (row) => row.state },
  ...DATA.measures.map((measure, i) => ({ title: measure.title, about: measure.about, measure: i, of: (row) => row.values[i] })),
  ...(EXPORTED ? [{ title: "export", about: "torch.export of the variant", of: (row) => row.exported }] : []),
];
const FILTERS = { "by-source": "source", "by-module": "full", "by-site": "place", "by-status": "state" };
const state = { column: -1, down: false, shown: ROWS, drawn: 0, open: new Map() };

// --- what is shown ---------------------------------------------------------------------------------------------------

function compared(one, other, column) {
  const [a, b] = [column.of(one), column.of(other)];
  if (a === null || b === null || a === "" || b === "") return (a === null || a === "") - (b === null || b === "") || one.index - other.index;
  const order = typeof a === "number" ? a - b : a.localeCompare(b, "en", { numeric: true });
  return (state.down ? -order : order) || one.index - other.index;
}

function sought(word) { // `se` is in `passed`, too: what is short is the start of a word
  const start = new RegExp(`(^|[^a-z0-9])${word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}`);
  return word.length < 3 ? (text) => start.test(text) : (text) => text.includes(word);
}

function update() {
  const words = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean).map(sought);
  const wanted = Object.entries(FILTERS).map(([id, key]) => [key, byId(id).value]).filter(([, value]) => value);
  const shown = ROWS.filter((row) => wanted.every(([key, value]) => row[key] === value) && words.every((has) => has(row.text)));
  if (state.column >= 0) shown.sort((a, b) => compared(a, b, COLUMNS[state.column]));
  state.shown = shown;
  state.drawn = 0;
  byId("body").replaceChildren();
  draw(STEP);
  const all = ROWS.length.toLocaleString("en");
  byId("count").textContent = shown.length === ROWS.length ? `${all} variants` : `${shown.length.toLocaleString("en")} of ${all} variants`;
  byId("clear").disabled = !words.length && !wanted.length;
  clearTimeout(state.fading);
  state.fading = setTimeout(fade, 60); // the plots follow when typing pauses
}

function fade() {
  const all = state.shown.length === ROWS.length;
  const shown = new Set(state.shown.map((row) => row.index));
  for (const element of document.querySelectorAll(".plane:not([hidden]) [data-i], .heat [data-i], .interval[data-i]"))
    element.classList.toggle("out", !all && !shown.has(Number(element.dataset.i)));
}

function draw(many) {
  const rows = state.shown.slice(state.drawn, state.drawn + many);
  state.drawn += rows.length;
  const piece = document.createDocumentFragment();
  for (const row of rows) {
    piece.append(drawn(row));
    if (state.open.has(row.index)) piece.append(state.open.get(row.index));
  }
  byId("body").append(piece);
  const left = state.shown.length - state.drawn;
  byId("end").textContent = !state.shown.length ? "No variant is like that." : left ? `${left.toLocaleString("en")} more` : "";
}

function drawn(row) {
  const open = state.open.has(row.index);
  const button = make("button", { type: "button", class: "opener", "aria-expanded": String(open) }, row.module, row.args ? make("span", { class: "args" }, ` ${row.args}`) : null);
  const cells = [
    make("th", { scope: "row" }, button),
    make("td", { class: "mono" }, row.operation === "after" ? "" : `${row.operation} `, row.site),
    make("td", { class: "soft" }, row.source),
    make("td", {}, make("span", { class: `chip ${row.status}` }, row.status), row.error ? make("span", { class: "why" }, ` ${row.error}`) : null),
    ...DATA.measures.map((measure, i) => make("td", { class: "number" }, row.texts[i] || "–")),
    ...(EXPORTED ? [make("td", {}, row.exported ? make("span", { class: `chip ${row.exported}` }, row.exported) : "–")] : []),
  ];
  if (row.operation === "after") cells[1].prepend(make("span", { class: "soft" }, "after "));
  const line = make("tr", { "data-row": row.index, class: open ? "open" : "" }, ...cells);
  return line;
}

// --- one variant -------------------------------------------------------------------------------------------------------

const packets = new Map();
function unpacked(kind, place) {
  const size = DATA.together[kind];
  const id = `${kind}-${Math.floor(place / size)}`;
  if (!packets.has(id)) packets.set(id, inflated(byId(id).textContent));
  return packets.get(id).then((values) => values[place % size]);
}

async function inflated(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).json();
}

async function toggle(index, wish) {
  const open = state.open.has(index);
  if (wish === open) return;
  const line = document.querySelector(`tr[data-row="${index}"]`);
  if (open) {
    state.open.get(index).remove();
    state.open.delete(index);
  } else {
    const details = make("tr", { class: "details", id: `v${index}` }, make("td", { colspan: COLUMNS.length }, make("p", { class: "soft" }, "…")));
    state.open.set(index, details);
    if (line) line.after(details);
  }
  if (line) {
    line.classList.toggle("open", !open);
    line.querySelector(".opener").setAttribute("aria-expanded", String(!open));
  }
  history.replaceState(null, "", open ? "#table" : `#v${index}`);
  if (open) return;
  const cell = state.open.get(index).firstChild;
  try {
    const row = ROWS[index];
    const found = await unpacked("details", row.packed);
    const picture = row.picture >= 0 ? await unpacked("pictures", row.picture) : null;
    cell.replaceChildren(...opened(row, found, picture));
    settle(cell);
  } catch (error) {
    cell.replaceChildren(make("p", {}, `This browser cannot unpack the details (${error.message}).`));
  }
}

function opened(row, found, picture) {
  const facts = make("div", { class: "facts" });
  if (row.status !== "passed") facts.append(make("div", { class: `problem ${row.status}` }, make("b", {}, found.error || row.status), make("p", {}, found.message || ""), found.hint ? make("p", { class: "soft" }, `hint: ${found.hint}`) : null));
  facts.append(make("h4", {}, "Make it again"), make("div", { class: "command" }, make("code", {}, found.command), copyButton(found.command)));
  if (found.costs) facts.append(make("h4", {}, "What it costs"), costs(found.costs));
  if (found.checks) facts.append(make("h4", {}, "The contract"), checks(found.checks));
  for (const note of found.notes || []) facts.append(make("p", { class: "remark" }, `note: ${note}`));
  const parts = [make("div", { class: "halves" }, facts)];
  if (picture) parts[0].append(make("div", { class: "drawing" }, make("h4", {}, "Where it stands"), drawing(picture, row, found)));
  if (found.diff) {
    const where = [found.output, found.seconds ? `made and proved in ${found.seconds}` : ""].filter(Boolean).join(" · ");
    parts.push(make("h4", {}, "What it changes ", make("span", { class: "soft" }, where)), diff(found.diff));
  }
  return parts;
}

function costs(rows) {
  const head = make("tr", {}, ...["", "base", "variant", "change"].map((title) => make("th", { scope: "col" }, title)));
  const lines = rows.map(([title, ...numbers]) => make("tr", {}, make("th", { scope: "row" }, title), ...numbers.map((number) => make("td", { class: "number" }, number))));
  return make("table", { class: "costs" }, make("thead", {}, head), make("tbody", {}, ...lines));
}

function checks(rows) {
  return make("ul", { class: "checks" }, ...rows.map(([name, status, detail]) => make("li", { class: status }, make("b", {}, name), " ", make("span", {}, status === "passed" ? "" : `${status} `), make("span", { class: "soft" }, detail))));
}

function drawing(text, row, found) {
  const svg = document.importNode(new DOMParser().parseFromString(text, "image/svg+xml").documentElement, true);
  for (const box of svg.querySelectorAll(".inserted")) {
    box.querySelector(".name").textContent = `+ ${row.module}`;
    box.querySelector(".right").textContent = found.added || "";
  }
  return make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Structure with the inserted module" }, svg);
}

function settle(cell) { // what stands behind a name depends on how long that is, which is known once it is drawn
  for (const box of cell.querySelectorAll(".inserted")) {
    const name = box.querySelector(".name");
    box.querySelector(".note").setAttribute("x", Number(name.getAttribute("x")) + name.getComputedTextLength() + 9);
  }
}

function diff(hunks) {
  const place = make("div", { class: "diff" });
  hunks.forEach((hunk, i) => {
    if (i) place.append(make("div", { class: "cut", "aria-hidden": "true" }, "⋯"));
    for (const [left, right] of hunk) {
      const kind = !left ? "added" : !right ? "removed" : left[1].join("\0") === right[1].join("\0") ? "same" : "changed";
      place.append(make("div", { class: `line ${kind}` }, ...side(left, "old", kind), ...side(right, "new", kind)));
    }
  });
  return place;
}

function side(found, name, kind) {
  if (!found) return [make("span", { class: `no ${name}` }), make("span", { class: `code empty ${name}` })];
  const [number, pieces] = found;
  const code = make("span", { class: `code ${name}` });
  const sign = kind === "same" ? " " : name === "old" ? "−" : "+";
  code.append(make("span", { class: "sign", "aria-hidden": kind === "same" }, sign));
  for (let i = 0; i < pieces.length; i += 2) {
    const colour = pieces[i].replace("!", "");
    const kinds = [colour && `t-${colour}`, pieces[i].endsWith("!") && "word"].filter(Boolean).join(" ");
    code.append(kinds ? make("span", { class: kinds }, pieces[i + 1]) : pieces[i + 1]);
  }
  return [make("span", { class: `no ${name}` }, String(number)), code];
}

async function show(index) {
  if (!state.shown.includes(ROWS[index])) byId("filters").reset(), update();
  while (!document.querySelector(`tr[data-row="${index}"]`) && state.drawn < state.shown.length) draw(STEP);
  await toggle(index, true);
  const line = document.querySelector(`tr[data-row="${index}"]`);
  line.scrollIntoView({ block: "start" });
  line.querySelector(".opener").focus({ preventScroll: true });
}

// --- plots -----------------------------------------------------------------------------------------------------------

function shade(measure) {
  byId("heat-about").textContent = measure.about[0].toUpperCase() + measure.about.slice(1);
  const at = DATA.measures.indexOf(measure);
  for (const cell of document.querySelectorAll(".heat .cell")) {
    const row = ROWS[Number(cell.dataset.i)];
    const value = row.values[at];
    const out = cell.classList.contains("out") ? " out" : "";
    const kind = row.status !== "passed" ? row.status : value === null ? "none" : `h${measure.shades.filter((edge) => edge <= value).length}`;
    cell.setAttribute("class", `cell ${kind}${out}`);
    cell.lastChild.textContent = row.status !== "passed" ? row.status : row.texts[at] || "–";
  }
}

function point(event) {
  const mark = event.target.closest ? event.target.closest("svg [data-i]") : null;
  const tip = byId("tip");
  tip.hidden = !mark;
  if (!mark) return;
  const row = ROWS[Number(mark.dataset.i)];
  const lines = [row.full, `${row.place} of ${row.source}`, row.status === "passed" ? "" : row.state];
  DATA.measures.forEach((measure, i) => lines.push(row.texts[i] ? `${measure.title} ${row.texts[i]}` : ""));
  tip.textContent = lines.filter(Boolean).join("\n");
  tip.style.left = `${Math.max(8, Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8))}px`;
  tip.style.top = `${event.clientY + 18 + tip.offsetHeight > innerHeight ? event.clientY - tip.offsetHeight - 10 : event.clientY + 18}px`;
}

// --- start -------------------------------------------------------------------------------------------------------------

function head() {
  COLUMNS.forEach((column, i) => {
    const button = make("button", { type: "button", title: column.about || null }, column.title, make("span", { class: "order", "aria-hidden": "true" }));
    const cell = make("th", { scope: "col", "aria-sort": "none", class: column.measure === undefined ? "" : "number" }, button);
    button.addEventListener("click", () => {
      if (state.column !== i) Object.assign(state, { column: i, down: false });
      else if (!state.down) state.down = true;
      else state.column = -1; // as in the grid
      for (const other of byId("head").children) other.setAttribute("aria-sort", "none");
      if (state.column === i) cell.setAttribute("aria-sort", state.down ? "descending" : "ascending");
      update();
    });
    byId("head").append(cell);
  });
}

function choices() {
  for (const [id, key] of Object.entries(FILTERS)) {
    const counts = new Map();
    for (const row of ROWS) counts.set(row[key], (counts.get(row[key]) || 0) + 1);
    byId(id).append(make("option", { value: "" }, "all"), ...[...counts].map(([value, many]) => make("option", { value }, `${value} (${many.toLocaleString("en")})`)));
    byId(id).addEventListener("change", update);
  }
}

function listen() {
  byId("search").addEventListener("input", update);
  byId("filters").addEventListener("reset", () => setTimeout(update));
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  byId("body").addEventListener("click", (event) => {
    const line = event.target.closest("tr[data-row]");
    if (line && !String(getSelection())) toggle(Number(line.dataset.row));
  });
  document.addEventListener("pointermove", point);
  document.addEventListener("pointerleave", () => { byId("tip").hidden = true; });
  document.addEventListener("click", (event) => {
    const mark = event.target.closest("svg [data-i], [data-open]");
    const key = event.target.closest("[data-module]");
    if (mark) event.preventDefault(), show(Number(mark.dataset.i || mark.dataset.open));
    else if (key) byId("filters").reset(), byId("search").value = key.dataset.module, update();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && !/INPUT|SELECT|TEXTAREA/.test(document.activeElement.tagName)) event.preventDefault(), byId("search").focus();
  });
  const planes = byId("plane-measure");
  if (planes) planes.addEventListener("change", () => {
    for (const plane of document.querySelectorAll(".plane")) plane.hidden = plane.dataset.measure !== planes.value;
    fade();
  });
  const heats = byId("heat-measure");
  if (heats) heats.addEventListener("change", () => shade(DATA.measures[Number(heats.value)]));
  new IntersectionObserver((seen) => {
    if (seen.some((each) => each.isIntersecting) && state.drawn < state.shown.length) draw(STEP);
  }, { rootMargin: "800px" }).observe(byId("end"));
  addEventListener("beforeprint", () => draw(2000)); // paper cannot be scrolled
}

head();
choices();
listen();
update();
const linked = /^#v(\d+)$/.exec(location.hash);
if (linked && Number(linked[1]) < ROWS.length) show(Number(linked[1]));
