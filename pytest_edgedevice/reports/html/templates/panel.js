// A cell's panel waits as text in a noscript; it becomes elements when its address is opened.
const dialog = find("#panel");
const content = find(".content", dialog);
const waiting = new Map(all("noscript[data-slug]").map((each) => [each.dataset.slug, each]));
for (const pack of all("script[data-slugs]")) pack.dataset.slugs.split(" ").forEach((slug) => waiting.set(slug, pack));
let opened = "";

const panelText = async (slug) => {
  const holder = waiting.get(slug);
  if (holder.dataset.slug) return holder.textContent;
  const packed = Uint8Array.from(atob(holder.textContent), (sign) => sign.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  const texts = (await new Response(stream).text()).split("\f");
  return texts[holder.dataset.slugs.split(" ").indexOf(slug)];
};

const offerCopying = (within) => {
  for (const command of all(".command", within)) {
    if (find("button", command)) continue;
    const button = make("button", "", "Copy");
    button.type = "button";
    button.addEventListener("click", async () => {
      const text = find("code", command).textContent;
      try {
        await navigator.clipboard.writeText(text);
        button.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(find("code", command));
        button.textContent = "Selected";
      }
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    });
    command.append(button);
  }
};

const showPanel = async () => {
  const slug = address().get("cell") || "";
  if (slug === opened) return;
  opened = waiting.has(slug) ? slug : "";
  if (!opened) {
    if (dialog.open) dialog.close();
    content.replaceChildren();
    return;
  }
  const text = await panelText(slug);
  if (opened !== slug) return;  // another one was opened meanwhile
  const parsed = new DOMParser().parseFromString(text, "text/html");
  const panel = find("article", parsed.body);
  panel.removeAttribute("id");
  content.replaceChildren(document.adoptNode(panel));
  offerSorting(content);
  offerCopying(content);
  find(".self", dialog).href = `#cell=${slug}`;
  dialog.setAttribute("aria-label", find("h3", content).textContent);
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
};
dialog.addEventListener("close", () => {
  opened = "";
  setAddress((told) => told.delete("cell"));
});
dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
find(".close", dialog).addEventListener("click", () => dialog.close());
document.addEventListener("click", (event) => {
  const link = event.target.closest && event.target.closest('a[href^="#cell="]');
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();  // keeps the filter in the address
  const slug = decodeURIComponent(link.getAttribute("href").slice(6));
  setAddress((told) => told.set("cell", slug), { leave: true });
});
addEventListener("hashchange", () => {
  const before = JSON.stringify([FIELDS.map((name) => form.elements[name].value), [...outcomes]]);
  readFilter();
  if (before !== JSON.stringify([FIELDS.map((name) => form.elements[name].value), [...outcomes]])) applyFilter();
  showPanel();
});

offerSorting(document);
offerCopying(document);
nameTheme();
readFilter();
if (location.hash.length > 1 && [...address().keys()].some((name) => name !== "cell")) applyFilter();
showPanel();
