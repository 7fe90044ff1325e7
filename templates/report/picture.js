// The page of one model's structure: find a box, copy what names it.

const boxes = [...document.querySelectorAll(".box[data-site]")];

function quoted(word) { // as a shell reads it
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\"'\"'")}'`;
}

function wanted(site) {
  const what = byId("what").value;
  if (what === "site") return site;
  const verb = what === "replace" ? "replace" : "insert";
  const place = what === "replace" ? "--site" : `--${what}`;
  return ["codegen", verb, document.body.dataset.command, "--module", quoted(byId("module").value || "se"), place, quoted(site)].join(" ");
}

function find() {
  const words = byId("find").value.toLowerCase().split(/\s+/).filter(Boolean);
  let first = null;
  let many = 0;
  for (const box of boxes) {
    const text = `${box.dataset.site} ${box.querySelector(".note").textContent}`.toLowerCase();
    const found = words.length > 0 && words.every((word) => text.includes(word));
    box.classList.toggle("found", found);
    if (found) { many += 1; first = first || box; }
  }
  byId("count").textContent = words.length ? `${many} found` : `${boxes.length} sites`;
  if (first) first.scrollIntoView({ block: "nearest", inline: "nearest" });
}

for (const box of boxes) {
  box.addEventListener("click", (event) => { event.stopPropagation(); copied(wanted(box.dataset.site)); });
  box.addEventListener("keydown", (event) => {
    if (event.key === "Enter" || event.key === " ") event.preventDefault(), copied(wanted(box.dataset.site));
  });
}
byId("find").addEventListener("input", find);
byId("choose").addEventListener("submit", (event) => event.preventDefault());
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && !/INPUT|SELECT/.test(document.activeElement.tagName)) event.preventDefault(), byId("find").focus();
});
find();
