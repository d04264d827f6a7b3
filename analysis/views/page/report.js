// The libraries are carried as base64 text, so that nothing in their code can end the element that holds it.
const text = (id) => new TextDecoder().decode(Uint8Array.from(atob(document.getElementById(id).textContent), (c) => c.charCodeAt(0)));
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark", dark.matches);
follow();
dark.addEventListener("change", follow);

// Campaign rows are where the links from tables and figures lead.
for (const table of document.querySelectorAll("table.folders")) {
  for (const row of table.tBodies[0].rows) row.id = `campaign-${row.cells[0].textContent.trim()}`;
}

const url = URL.createObjectURL(new Blob([text("datatables-code")], { type: "text/javascript" }));
const { jQuery } = await import(url);
for (const table of document.querySelectorAll("table.data")) {
  const rows = table.tBodies[0].rows.length;
  jQuery(table).DataTable({
    paging: false, info: false, order: [], autoWidth: false, searching: rows > 5,
    language: { search: "Filter: " }, layout: { topStart: rows > 5 ? "search" : null, topEnd: null, bottomStart: null, bottomEnd: null },
  });
}

const charts = [...document.querySelectorAll(".chart")];
if (charts.length) {
  const code = document.createElement("script");
  code.textContent = text("plotly-code");
  document.head.append(code);
}
// 1, 2 and 5 times the powers of ten that the values span: plotly itself labels the steps between with a digit alone.
const ticks = (traces) => {
  const values = traces.flatMap((trace) => trace.x).filter((value) => value > 0);
  const found = [];
  for (let power = Math.floor(Math.log10(Math.min(...values))); power <= Math.log10(Math.max(...values)); power++)
    for (const step of [1, 2, 5]) found.push(Number((step * 10 ** power).toPrecision(1)));
  return { tickvals: found, ticktext: found.map(String) };
};
const draw = () => {
  const style = getComputedStyle(document.documentElement);
  const color = (name) => style.getPropertyValue(name).trim();
  for (const place of charts) {
    const { traces, x, y, log } = JSON.parse(document.getElementById(`${place.id}-data`).textContent);
    const ink = (value) => (value === "#000000" ? color("--ink") : value);
    for (const trace of traces) {
      trace.line.color = ink(trace.line.color);
      trace.marker.color = ink(trace.marker.color);
    }
    const axis = { gridcolor: color("--rule"), linecolor: color("--soft"), zerolinecolor: color("--rule"), automargin: true };
    Plotly.react(place, traces, {
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { color: color("--ink"), size: 13 },
      margin: { t: 10, r: 15, b: 50, l: 60 }, hovermode: "closest",
      legend: { orientation: "h", y: -0.25 },
      xaxis: { ...axis, title: { text: x }, type: log ? "log" : "linear", ...(log ? ticks(traces) : {}) },
      yaxis: { ...axis, title: { text: y } },
    }, { responsive: true, displaylogo: false, displayModeBar: false });
  }
};
draw();
dark.addEventListener("change", draw);
document.documentElement.dataset.ready = "yes";
