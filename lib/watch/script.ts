/** What the page does by itself: it fetches its content when that is another one, and changes what is other in place. */
import { SAVE_SCRIPT } from '../report/figures/saveScript.js';

/** Milliseconds from one look to the next */
const EVERY = 2000;

export const SCRIPT = `${SAVE_SCRIPT}
const main = document.querySelector('main');
const connection = document.querySelector('#connection');
const UNITS = [[86400, 'd'], [3600, 'h'], [60, 'min'], [1, 's']];
const passed = (seconds) => {
  const [size, unit] = UNITS.find(([least]) => seconds >= least) ?? [1, 's'];
  return Math.max(0, Math.floor(seconds / size)) + ' ' + unit;
};
const tick = () => {
  for (const time of document.querySelectorAll('time[data-since]')) {
    const text = passed((Date.now() - Date.parse(time.dateTime)) / 1000);
    if (time.textContent !== text) time.textContent = text;
  }
};
/* Nodes that are as they were stay, with the focus, the selection and what was scrolled in them. */
const update = (old, fresh) => {
  if (old.isEqualNode(fresh)) return;
  if (old.nodeName !== fresh.nodeName || old.nodeName === 'svg') {
    old.replaceWith(fresh);
    return;
  }
  if (old.nodeType !== Node.ELEMENT_NODE) {
    old.nodeValue = fresh.nodeValue;
    return;
  }
  for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of fresh.attributes) old.setAttribute(name, value);
  const news = [...fresh.childNodes];
  for (const child of [...old.children]) if (child.id && !news.some(({ id }) => id === child.id)) child.remove();
  news.forEach((node, place) => {
    const at = old.childNodes[place];
    const same = node.id ? [...old.children].find(({ id }) => id === node.id) : at?.id ? undefined : at;
    if (same === undefined) old.insertBefore(node, at ?? null);
    else {
      if (same !== at) old.insertBefore(same, at);
      update(same, node);
    }
  });
  while (old.childNodes.length > news.length) old.lastChild.remove();
};
const look = async () => {
  try {
    const response = await fetch('content', { cache: 'no-store', headers: { 'If-None-Match': main.dataset.version } });
    /* To its end, also where it is empty: a response that nobody reads is broken off. */
    const text = await response.text();
    if (response.status === 200) {
      const fresh = document.createElement('main');
      fresh.innerHTML = '\\n' + text + '\\n';
      fresh.dataset.version = response.headers.get('ETag');
      update(main, fresh);
    }
    connection.textContent = response.ok || response.status === 304 ? '' : 'The runs cannot be read: ' + text;
  } catch {
    connection.textContent = 'There is no answer any more: what is shown is what was there.';
  }
  tick();
};
/* A page that nobody sees asks for nothing. */
const go = async () => {
  if (!document.hidden) await look();
  setTimeout(go, ${EVERY});
};
tick();
setInterval(tick, 1000);
setTimeout(go, ${EVERY});
`;
