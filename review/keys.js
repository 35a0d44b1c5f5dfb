// Keys become events of the page, in the order in which they are pressed; a focused button keeps Enter for itself.
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || event.isComposing) return;
  const focused = document.activeElement;
  if (focused.tagName === "TEXTAREA") {
    if (event.key === "Escape") focused.blur();
    return;
  }
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (key === "Enter" && focused.tagName === "BUTTON") return;
  if (key === "/") {
    const note = document.querySelector(".note textarea");
    if (note) note.focus();
  } else if (["y", "n", "1", "2", "3", "Enter", "ArrowRight", "ArrowLeft"].includes(key)) {
    emitEvent("review_key", key);
  } else {
    return;
  }
  event.preventDefault();
});
