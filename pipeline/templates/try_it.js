// Sends a picture to the server and shows what the model says. Texts from outside are set as text,
// never as HTML.
'use strict';

const LONGEST = 300; // characters of a text that is shown
// Marks of writing direction, controls and what cannot be seen, as components/harmless.py has them.
const HARMFUL =
  /[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g;
const at = (id) => document.getElementById(id);
const most = Number(document.querySelector('main').dataset.most);
let turn = 0; // of the newest picture: an answer that comes after its time is dropped

async function ask(file) {
  const mine = ++turn;
  wait();
  const answer = await answerTo(file);
  if (mine !== turn) return;
  if (answer.error) fail(answer.error);
  else show(file, answer);
}

// {top, seen}, or {error}.
async function answerTo(file) {
  if (file.size > most) {
    const [has, may] = [file.size, most].map((bytes) => (bytes / 2 ** 20).toFixed(1));
    return { error: `The file has ${has} MB; up to ${may} MB are taken.` };
  }
  let bytes;
  try {
    bytes = await file.arrayBuffer();
  } catch {
    return { error: 'The file cannot be read. Give one picture; a folder is none.' };
  }
  try {
    const headers = { 'Content-Type': 'application/octet-stream' };
    const response = await fetch('classify', { method: 'POST', body: bytes, headers });
    if (response.status === 503) return { error: 'The server is busy. Try again in a moment.' };
    return await response.json();
  } catch {
    return { error: 'The server does not answer. Is “graft serve” still running?' };
  }
}

function wait() {
  at('trouble').replaceChildren();
  at('verdict').className = 'busy';
  at('verdict').replaceChildren('Asking the model…');
}

function fail(sentence) {
  at('verdict').className = '';
  at('verdict').replaceChildren();
  at('result').hidden = true;
  at('trouble').replaceChildren(sentence);
}

function show(file, { top, seen }) {
  document.body.className = 'answered';
  showPicture(at('given'), URL.createObjectURL(file));
  showPicture(at('seen'), seen);
  at('unseen').hidden = Boolean(seen);
  at('name').replaceChildren(short(file.name));
  at('classes').replaceChildren(...top.map(row));
  at('result').hidden = false;
  at('verdict').className = '';
  const score = element('span', percent(top[0].score), 'soft');
  at('verdict').replaceChildren('Most likely ', element('b', label(top[0])), ' ', score);
}

function showPicture(image, address) {
  URL.revokeObjectURL(image.src);
  image.parentElement.hidden = !address;
  // Not every browser shows every format that the model reads.
  image.onerror = () => (image.parentElement.hidden = true);
  image.onload = () => image.classList.toggle('tiny', image.naturalWidth <= 96);
  if (address) image.src = address;
}

function row(one) {
  const filled = element('i', '');
  filled.style.width = `${100 * one.score}%`;
  const bar = element('div', filled, 'bar');
  bar.setAttribute('aria-hidden', 'true');
  const item = element('li', label(one));
  item.append(element('span', percent(one.score), 'score'), bar);
  return item;
}

function element(name, content, kind = '') {
  const made = document.createElement(name);
  made.className = kind;
  made.append(content);
  return made;
}

const label = (one) => element('bdi', short(one.label));
const code = (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
const short = (text) => {
  const said = text.replace(HARMFUL, code);
  return said.length > LONGEST ? `${said.slice(0, LONGEST)}…` : said;
};

function percent(score) {
  if (score > 0 && score < 0.0005) return '< 0.1 %';
  return score < 1 && score >= 0.9995 ? '> 99.9 %' : `${(100 * score).toFixed(1)} %`;
}

function take(files, otherwise) {
  if (files.length) ask(files[0]);
  else if (otherwise) fail(otherwise);
}

for (const button of document.querySelectorAll('button')) {
  button.addEventListener('click', () => at(button.dataset.opens).click());
}
for (const input of document.querySelectorAll('input')) {
  input.addEventListener('change', () => {
    const files = [...input.files];
    input.value = ''; // or the same picture could not be chosen again
    take(files);
  });
}
document.addEventListener('paste', (event) => {
  take(event.clipboardData.files, 'There is no picture in the clipboard.');
});
document.addEventListener('dragover', (event) => {
  event.preventDefault(); // or the browser would leave the page for the picture
  document.documentElement.className = 'over';
});
document.addEventListener('dragleave', (event) => {
  if (!event.relatedTarget) document.documentElement.className = '';
});
document.addEventListener('drop', (event) => {
  event.preventDefault();
  document.documentElement.className = '';
  take(event.dataTransfer.files, 'That is no picture file. Save it first, then drop the file.');
});
