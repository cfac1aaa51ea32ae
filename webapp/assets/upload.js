// Makes the page nicer; without it the plain forms do the same work.
// Photos can be dropped, pasted or taken with a phone's camera; each has a bar, can be cancelled and tried again.
"use strict";

const form = document.getElementById("upload");
if (form) makeDialog(form);
arrowKeys();

// Left and right on a photo's page lead to its neighbours, Escape back to all.
function arrowKeys() {
  const ids = { ArrowLeft: "newer", ArrowRight: "older", Escape: "back" };
  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey || event.target.closest("input, dialog")) return;
    const link = document.getElementById(ids[event.key] ?? "");
    if (link) link.click();
  });
}

function makeDialog(form) {
  const input = form.querySelector("input[type=file]");
  const list = document.getElementById("progress");
  const said = document.getElementById("said");
  const submit = form.querySelector(".actions button");
  const section = form.closest("section");
  const title = section.querySelector("h2");
  const dialog = document.createElement("dialog");
  const open = button("Add photos", () => show());
  const close = button("Close", () => dialog.close(), "plain");
  const hint = document.createElement("p");
  const rows = [];

  hint.className = "quiet";
  hint.textContent = "or drop them anywhere on the page, or paste them";
  form.querySelector("label").textContent = "Choose photos, drop or paste them here";
  dialog.setAttribute("aria-labelledby", title.id);
  dialog.append(title, form);
  form.querySelector(".actions").append(close);
  section.classList.replace("card", "small");
  section.removeAttribute("aria-labelledby");
  section.append(open, hint, dialog);
  input.required = false;
  update();

  input.addEventListener("change", () => {
    add(input.files);
    input.value = "";
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    sendAll();
  });
  document.addEventListener("paste", (event) => add(event.clipboardData.files));
  document.addEventListener("dragover", (event) => {
    if (!event.dataTransfer.types.includes("Files")) return;
    event.preventDefault();
    document.body.classList.add("over");
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) document.body.classList.remove("over");
  });
  document.addEventListener("drop", (event) => {
    document.body.classList.remove("over");
    if (event.dataTransfer.files.length === 0) return;
    event.preventDefault();
    add(event.dataTransfer.files);
  });
  window.addEventListener("beforeunload", (event) => {
    if (rows.some((row) => row.request)) event.preventDefault();
  });
  dialog.addEventListener("close", () => {
    for (const row of rows.filter((row) => row.isDone)) remove(row);
  });

  function show() {
    if (!dialog.open) dialog.showModal();
  }

  function add(files) {
    if (files.length === 0) return;
    show();
    for (const file of files) {
      const row = makeRow(file);
      rows.push(row);
      list.append(row.item);
      if (file.size > Number(form.dataset.maxBytes)) {
        fail(row, `Larger than ${form.dataset.maxText}. Please choose a smaller photo.`, false);
      }
    }
    update();
  }

  function makeRow(file) {
    const item = document.createElement("li");
    const picture = document.createElement("img");
    const name = document.createElement("span");
    const state = document.createElement("div");
    const alt = document.createElement("input");
    const row = { file, item, name, state, alt, isWaiting: true, isDone: false, request: null };
    picture.alt = "";
    picture.src = URL.createObjectURL(file);
    picture.onerror = () => picture.classList.add("thumb");
    name.className = "name";
    name.textContent = file.name;
    alt.type = "text";
    alt.maxLength = document.getElementById("alt").maxLength;
    alt.placeholder = "What is to be seen?";
    alt.setAttribute("aria-label", `What is to be seen on ${file.name}?`);
    state.className = "state";
    state.append(alt);
    row.button = button("Remove", () => remove(row), "plain");
    row.button.setAttribute("aria-label", `Remove ${file.name}`);
    item.append(picture, name, row.button, state);
    return row;
  }

  function remove(row) {
    URL.revokeObjectURL(row.item.querySelector("img").src);
    row.item.remove();
    rows.splice(rows.indexOf(row), 1);
    update();
  }

  function update() {
    const waiting = rows.filter((row) => row.isWaiting).length;
    submit.disabled = waiting === 0 || rows.some((row) => row.request);
    submit.textContent = waiting > 1 ? `Upload ${waiting} photos` : "Upload";
  }

  // One after the other: the bars then tell the truth on a slow line.
  async function sendAll() {
    for (let row; (row = rows.find((row) => row.isWaiting)); ) await send(row);
    const failed = rows.filter((row) => !row.isDone).length;
    said.textContent = failed ? `${failed} photos were not added.` : "All photos were added.";
    if (failed === 0) dialog.close();
  }

  function send(row) {
    const bar = document.createElement("progress");
    const fields = new FormData();
    const request = new XMLHttpRequest();
    bar.max = 1;
    bar.value = 0;
    bar.setAttribute("aria-label", row.file.name);
    row.isWaiting = false;
    row.request = request;
    row.state.replaceChildren(bar);
    setButton(row, "Cancel", () => request.abort());
    update();
    fields.append("csrf", form.elements.csrf.value);
    fields.append("alt", row.alt.value);
    fields.append("fileToUpload", row.file);
    return new Promise((resolve) => {
      request.open("POST", form.action);
      request.responseType = "document";
      request.upload.onprogress = (event) => {
        // The last tenth is the server's: it decodes the photo after it has all of it.
        bar.value = 0.9 * (event.loaded / event.total);
      };
      request.onload = () => finish(row, request);
      request.onerror = () => fail(row, "The connection broke. Please try again.", true);
      request.onabort = () => fail(row, "Cancelled.", true);
      request.onloadend = () => {
        row.request = null;
        update();
        resolve();
      };
      request.send(fields);
    });
  }

  // The answer is the whole page: its pictures replace ours, what it says is shown beside the file.
  function finish(row, request) {
    const page = request.response;
    const pictures = page && page.getElementById("pictures");
    if (pictures) document.getElementById("pictures").replaceWith(document.adoptNode(pictures));
    const words = (selector) => page?.querySelector(selector)?.textContent.trim() ?? "";
    const prefix = `${row.file.name}: `;
    const own = (text) => (text.startsWith(prefix) ? text.slice(prefix.length) : text);
    if (request.status === 200) {
      row.isDone = true;
      const notice = words(".notice");
      const done = document.createElement("span");
      done.textContent = notice.startsWith(prefix) ? own(notice) : "Added.";
      row.state.replaceChildren(done);
      setButton(row, "Remove", () => remove(row));
      row.button.hidden = true;
      return;
    }
    fail(row, own(words(".problem")) || "The server refused the photo. Please try again.", request.status !== 413 && request.status !== 415);
  }

  function fail(row, text, canRetry) {
    const reason = document.createElement("em");
    reason.textContent = text;
    row.isWaiting = false;
    row.state.replaceChildren(reason);
    if (canRetry) {
      setButton(row, "Retry", async () => {
        row.isWaiting = true;
        if (!rows.some((other) => other.request)) await sendAll();
      });
    } else {
      setButton(row, "Remove", () => remove(row));
    }
    said.textContent = `${row.file.name}: ${text}`;
    update();
  }

  function setButton(row, text, act) {
    const next = button(text, act, "plain");
    next.setAttribute("aria-label", `${text} ${row.file.name}`);
    row.button.replaceWith(next);
    row.button = next;
  }
}

function button(text, act, className = "") {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = text;
  made.className = className;
  made.addEventListener("click", act);
  return made;
}
