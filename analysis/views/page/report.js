"use strict";
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const tip = document.getElementById("tip");
const live = document.getElementById("live");

// One box for all explanations: of words where one points or tabs, and of marks in charts.
const showTip = (text, element) => {
  tip.textContent = text;
  tip.hidden = false;
  const box = element.getBoundingClientRect();
  const left = Math.min(Math.max(8, box.left + box.width / 2 - tip.offsetWidth / 2), innerWidth - tip.offsetWidth - 8);
  const above = box.top - tip.offsetHeight - 8;
  tip.style.left = `${left}px`;
  tip.style.top = `${above > 8 ? above : box.bottom + 8}px`;
};
const hideTip = () => { tip.hidden = true; };
const meaning = (key) => document.getElementById(`meaning-${key}`)?.textContent ?? "";
const explain = (event) => {
  const element = event.target.closest?.("[data-term], [data-tip]");
  if (element) showTip(element.dataset.tip ?? meaning(element.dataset.term), element);
  else if (event.type === "mouseover") hideTip();
};
document.addEventListener("mouseover", explain);
document.addEventListener("focusin", explain);
document.addEventListener("focusout", hideTip);
document.addEventListener("scroll", hideTip, { passive: true, capture: true });
document.addEventListener("keydown", (event) => { if (event.key === "Escape") hideTip(); });

// Charts: every mark says its values; the arrow keys go from mark to mark.
for (const figure of all("figure")) {
  const data = figure.querySelector('script[type="application/json"]');
  if (!data) continue;
  const plot = figure.querySelector(".plot");
  const marks = [];
  const said = JSON.parse(data.textContent);
  for (const [id, own] of Object.entries(said)) {
    const texts = typeof own === "string" ? said[own] : own; // another group's, where both say the same
    const group = document.getElementById(id);
    if (!group) continue;
    // The marks follow the points, one for one; where some lie outside, none is named rather than a wrong one.
    const uses = all("use", group);
    if (uses.length === texts.length) uses.forEach((use, at) => { use.dataset.tip = texts[at]; marks.push(use); });
  }
  let at = -1;
  const leave = () => marks[at]?.classList.remove("asked");
  plot.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step || !marks.length) return;
    event.preventDefault();
    leave();
    at = (at + step + marks.length) % marks.length;
    marks[at].classList.add("asked");
    showTip(marks[at].dataset.tip, marks[at]);
    live.textContent = marks[at].dataset.tip;
  });
  plot.addEventListener("blur", leave);
}

// Tables: a button in each header sorts, a field filters long ones, a button saves them.
const number = (text) => {
  const found = text.match(/[-−+]?\d[\d,]*(\.\d+)?/);
  return found ? Number(found[0].replace(/,/g, "").replace("−", "-")) : -Infinity;
};
const sortTable = (table, column, header) => {
  const rising = header.getAttribute("aria-sort") !== "ascending";
  const isNumber = header.classList.contains("n");
  const key = (row) => (isNumber ? number(row.cells[column].textContent) : row.cells[column].textContent);
  const compare = isNumber ? (a, b) => key(a) - key(b) || 0 : (a, b) => key(a).localeCompare(key(b), "en", { numeric: true });
  const rows = [...table.tBodies[0].rows].sort((a, b) => (rising ? compare(a, b) : compare(b, a)));
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", rising ? "ascending" : "descending");
  table.tBodies[0].append(...rows);
  markRepeated(table);
};
// A verdict that is the one above is shown as a ditto mark, so that a change is seen; a setting is named once.
const markRepeated = (table) => {
  let above = "";
  let setting = "";
  for (const row of table.tBodies[0].rows) {
    if (row.hidden) continue;
    if (row.cells[0].dataset.label === "setting") {
      row.cells[0].classList.toggle("same", row.cells[0].textContent === setting);
      if (row.cells[0].textContent !== setting) above = "";
      setting = row.cells[0].textContent;
    }
    const word = row.querySelector(".word");
    if (!word) continue;
    word.classList.toggle("again", word.textContent === above);
    above = word.textContent;
  }
};
// What a spreadsheet would take for a formula is text here.
const csvCell = (text) => {
  const plain = text.trim().replace(/\s+/g, " ").replace(/−/g, "-");
  const isFigure = /^[-+]?\d[\d,]*(\.\d+)?( ?%)?$/.test(plain) || /^[-+]?[\d.,]+ to [-+]?[\d.,]+$/.test(plain);
  const safe = /^[=+\-@＝＋－＠]/.test(plain) && !isFigure && plain !== "-" ? `'${plain}` : plain;
  return `"${safe.replace(/"/g, '""')}"`;
};
const header = (cell) => { const copy = cell.cloneNode(true); all("sup", copy).forEach((mark) => mark.remove()); return copy.textContent; };
const save = (table, title) => {
  const lines = [[...table.tHead.rows[0].cells].map((cell) => csvCell(header(cell)))];
  for (const row of table.tBodies[0].rows) lines.push([...row.cells].map((cell) => csvCell(cell.textContent)));
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(["\ufeff", lines.map((line) => line.join(",")).join("\r\n")], { type: "text/csv" }));
  link.download = `${title.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "").slice(0, 60)}.csv`;
  link.click();
  URL.revokeObjectURL(link.href);
};
for (const block of all(".table")) {
  const table = block.querySelector("table");
  const caption = block.querySelector(".caption");
  [...table.tHead.rows[0].cells].forEach((cell, column) => {
    const word = cell.querySelector(".term");
    const mark = cell.querySelector("sup");
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    button.textContent = header(cell);
    if (word) {
      button.dataset.term = word.dataset.term;
      button.setAttribute("aria-describedby", `meaning-${word.dataset.term}`);
    }
    cell.replaceChildren(button, ...(mark ? [mark] : []));
    button.addEventListener("click", () => sortTable(table, column, cell));
  });

  const tools = document.createElement("span");
  tools.className = "tools";
  if (table.tBodies[0].rows.length > 8) {
    const field = document.createElement("input");
    field.type = "search";
    field.placeholder = "Filter rows";
    field.setAttribute("aria-label", `Filter the rows of: ${caption.textContent}`);
    field.addEventListener("input", () => {
      const wanted = field.value.toLowerCase();
      for (const row of table.tBodies[0].rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
      markRepeated(table);
    });
    tools.append(field);
  }
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Save CSV";
  button.setAttribute("aria-label", `Save as CSV: ${caption.textContent}`);
  button.addEventListener("click", () => save(table, caption.firstChild.textContent));
  tools.append(button);
  caption.after(tools);
  markRepeated(table);
}
for (const mark of all("a.mark")) mark.dataset.tip = document.getElementById(mark.hash.slice(1))?.textContent ?? "";

// Campaign rows are where the links from tables and figures lead; what is folded opens when one goes there, or prints.
for (const table of all("table.folders"))
  for (const row of table.tBodies[0].rows) row.id = `campaign-${row.cells[0].textContent.trim()}`;
const openTarget = () => {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  for (let element = target; element; element = element.parentElement) if (element.tagName === "DETAILS") element.open = true;
  target.scrollIntoView();
};
addEventListener("hashchange", openTarget);
openTarget();
document.querySelector(".open-all")?.addEventListener("click", (event) => {
  const settings = all("details.setting");
  const open = settings.some((one) => !one.open);
  for (const one of settings) one.open = open;
  event.target.textContent = open ? "Close all settings" : "Open all settings";
});
addEventListener("beforeprint", () => { for (const one of all("details")) one.open = true; });
document.documentElement.dataset.ready = "yes";
