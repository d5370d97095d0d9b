// Tables: sorted by a click on a head, copied as LaTeX by a button.

function sortKey(text) {
  const plain = text.replace(/,(?=\d{3})/g, "").replace(/^−/, "-").trim();
  const number = plain.match(/^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?/i);
  return number ? Number(number[0]) : null;
}

function compare(one, other) {
  const [a, b] = [sortKey(one), sortKey(other)];
  if (a !== null && b !== null) return a - b;
  if (one === "–" || other === "–") return (one === "–") - (other === "–");
  return one.localeCompare(other);
}

function sortBy(head) {
  const up = head.getAttribute("aria-sort") !== "ascending";
  const table = head.closest("table");
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const column = head.cellIndex;
  const text = (row) => row.cells[column].textContent;
  rows.sort((one, other) => {
    const order = compare(text(one), text(other));
    const missing = text(one) === "–" || text(other) === "–";
    return up || missing ? order : -order;
  });
  body.append(...rows);
  for (const one of table.tHead.rows[0].cells) one.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", up ? "ascending" : "descending");
}

function tell(text) {
  const said = document.getElementById("said");
  said.textContent = text;
  clearTimeout(tell.timer);
  tell.timer = setTimeout(() => { said.textContent = ""; }, 4000);
}

/* The clipboard where the browser allows it; else the text, selected, for the reader to copy. */
async function copy(area) {
  try {
    await navigator.clipboard.writeText(area.value);
    tell("Copied as LaTeX");
  } catch {
    area.hidden = false;
    area.focus();
    area.select();
    tell("LaTeX selected below the table: copy it with Ctrl+C");
  }
}

for (const button of document.querySelectorAll(".sort")) {
  button.addEventListener("click", () => sortBy(button.closest("th")));
}
for (const button of document.querySelectorAll(".copy")) {
  button.addEventListener("click", () => copy(document.getElementById(button.dataset.copies)));
}
document.documentElement.dataset.ready = "yes";
