// Makes the upload form nicer: photos can be dropped on it, go one by one, and show how far they are.
// Without this script the plain form does the same work.
"use strict";

const form = document.getElementById("upload");

if (form) {
  const drop = form.querySelector(".drop");
  const input = form.querySelector("input[type=file]");
  const button = form.querySelector("button");
  const list = document.getElementById("progress");
  form.querySelector("label").textContent = "Choose photos, or drop them here";

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    sendAll([...input.files]);
  });
  for (const name of ["dragenter", "dragover"]) {
    drop.addEventListener(name, (event) => {
      event.preventDefault();
      drop.classList.add("over");
    });
  }
  for (const name of ["dragleave", "drop"]) {
    drop.addEventListener(name, () => drop.classList.remove("over"));
  }
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    if (!button.disabled) sendAll([...event.dataTransfer.files]);
  });

  async function sendAll(files) {
    button.disabled = true;
    list.replaceChildren();
    const rows = files.map(addRow);
    for (const [index, file] of files.entries()) {
      await send(file, rows[index]);
    }
    form.reset();
    button.disabled = false;
  }

  function addRow(file) {
    const row = document.createElement("li");
    const name = document.createElement("span");
    name.textContent = file.name;
    const bar = document.createElement("progress");
    bar.max = 1;
    bar.value = 0;
    bar.setAttribute("aria-label", file.name);
    row.append(name, bar);
    list.append(row);
    return row;
  }

  function send(file, row) {
    if (file.size > Number(form.dataset.maxBytes)) {
      fail(row, `Larger than ${form.dataset.maxText}. Please choose a smaller photo.`);
      return Promise.resolve();
    }
    const fields = new FormData();
    fields.append("csrf", form.elements.csrf.value);
    fields.append("fileToUpload", file);
    return new Promise((resolve) => {
      const request = new XMLHttpRequest();
      request.open("POST", form.action);
      request.responseType = "document";
      request.upload.onprogress = (event) => {
        // The last tenth is the server's: it decodes the photo after it has all of it.
        row.querySelector("progress").value = 0.9 * (event.loaded / event.total);
      };
      request.onload = () => {
        finish(request, row);
        resolve();
      };
      request.onerror = () => {
        fail(row, "The connection broke. Please try again.");
        resolve();
      };
      request.send(fields);
    });
  }

  // The answer is the whole page: its pictures replace ours, its problem is shown beside the file.
  function finish(request, row) {
    const page = request.response;
    const pictures = page && page.getElementById("pictures");
    if (pictures) document.getElementById("pictures").replaceWith(document.adoptNode(pictures));
    if (request.status === 200) {
      row.querySelector("progress").replaceWith("added");
      return;
    }
    const problem = page && page.querySelector(".problem");
    const reason = problem ? problem.textContent.trim() : "The server refused the photo. Please try again.";
    const name = row.querySelector("span").textContent + ": ";
    fail(row, reason.startsWith(name) ? reason.slice(name.length) : reason);
  }

  function fail(row, text) {
    row.querySelector("progress").remove();
    const reason = document.createElement("em");
    reason.textContent = text;
    row.append(reason);
  }
}
