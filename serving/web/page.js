// Choose a photo and a style, see the picture: a TFLite file of the zoo, run by LiteRT.js.
const element = (id) => document.getElementById(id);
const compiled = new Map();  // by the file's name and size
let litert = null;
let photo = null;
let running = Promise.resolve();  // one picture after the other

async function start() {
  await throughCache();
  const models = await (await fetch('models/models.json')).json();
  for (const model of models) {
    const names = model.styles ?? [model.name];
    names.forEach((name, index) => {
      const option = new Option(name, name);
      Object.assign(option.dataset, {file: model.file, index, count: model.styles?.length ?? 0});
      element('style').append(option);
    });
  }
  litert = await import('@litertjs/core');
  await litert.loadLiteRt('litert/wasm/');
  // All are fetched now, so that the page works offline from here on.
  await Promise.all(models.map((model) => fileOf(model.file)));
  say('Choose a photo.');
  document.body.dataset.ready = 'true';
}

/** From here on, the service worker sees and keeps what is fetched; where there is one. */
async function throughCache() {
  const worker = navigator.serviceWorker;
  if (!worker) return;
  const controlled = new Promise((resolve) => worker.addEventListener('controllerchange', resolve));
  await worker.register('offline.js');
  if (!worker.controller) await controlled;
}

const files = new Map();

function fileOf(name) {
  if (!files.has(name)) {
    files.set(name, fetch(`models/${name}`).then(async (answer) => {
      if (!answer.ok) throw new Error(`${name}: ${answer.status}`);
      return new Uint8Array(await answer.arrayBuffer());
    }));
  }
  return files.get(name);
}

async function modelOf(name) {
  if (!compiled.has(name)) {
    compiled.set(name, await litert.loadAndCompile(await fileOf(name), {accelerator: 'wasm'}));
  }
  return compiled.get(name);
}

function say(text) {
  element('status').textContent = text;
}

/** The photo drawn at the model's size; what a fixed size leaves over is grey and cut off after. */
function drawn(height, width) {
  const scale = Math.min(height / photo.height, width / photo.width);
  const size = {
    width: Math.max(1, Math.round(scale * photo.width)),
    height: Math.max(1, Math.round(scale * photo.height)),
  };
  const context = new OffscreenCanvas(width, height).getContext('2d');
  context.fillStyle = '#888';
  context.fillRect(0, 0, width, height);
  context.drawImage(photo, 0, 0, size.width, size.height);
  return {pixels: context.getImageData(0, 0, width, height).data, size};
}

/** [1, H, W, 3] of canvas pixels RGBA: floats in [0, 1], or bytes. */
function toTensor(pixels, [, height, width], dtype) {
  const bytes = dtype === 'uint8';
  const values = new (bytes ? Uint8Array : Float32Array)(height * width * 3);
  for (let from = 0, to = 0; from < pixels.length; from += 4) {
    for (let channel = 0; channel < 3; channel++) {
      values[to++] = bytes ? pixels[from + channel] : pixels[from + channel] / 255;
    }
  }
  return new litert.Tensor(values, [1, height, width, 3]);
}

function show(values, width, size) {
  const scale = values instanceof Uint8Array ? 1 : 255;
  const image = new ImageData(size.width, size.height);
  for (let y = 0, to = 0; y < size.height; y++) {
    for (let from = y * width * 3, x = 0; x < size.width; x++) {
      for (let channel = 0; channel < 3; channel++) image.data[to++] = scale * values[from++];
      image.data[to++] = 255;
    }
  }
  const canvas = element('picture');
  Object.assign(canvas, size);
  canvas.getContext('2d').putImageData(image, 0, 0);
  canvas.toBlob((blob) => {
    URL.revokeObjectURL(element('save').href);
    Object.assign(element('save'), {href: URL.createObjectURL(blob), hidden: false});
  });
}

async function paint() {
  if (!photo) return;
  const choice = element('style').selectedOptions[0];
  say(`Painting ${choice.value}…`);
  await new Promise(requestAnimationFrame);
  const model = await modelOf(choice.dataset.file);
  const {dtype, shape} = model.getInputDetails().find((input) => input.name === 'image');
  const {pixels, size} = drawn(shape[1], shape[2]);
  const inputs = {image: toTensor(pixels, shape, dtype)};
  if (choice.dataset.count > 0) {
    const weights = new Float32Array(Number(choice.dataset.count));
    weights[choice.dataset.index] = 1;
    inputs.style_weights = new litert.Tensor(weights, [1, weights.length]);
  }
  const before = performance.now();
  const {image} = await model.run(inputs);
  const values = await image.data();
  const milliseconds = performance.now() - before;
  show(values, shape[2], size);
  for (const tensor of [...Object.values(inputs), image]) tensor.delete();
  say(`${choice.value}: ${size.width} × ${size.height} pixels in ${Math.round(milliseconds)} ms`);
}

function repaint() {
  running = running.then(paint).catch(fail);
}

function fail(error) {
  console.error(error);
  say(`This did not work: ${error.message}`);
}

element('photo').addEventListener('change', async (event) => {
  const [file] = event.target.files;
  if (!file) return;
  try {
    photo = await createImageBitmap(file);
    repaint();
  } catch {
    say(`${file.name} is no picture that this browser can read.`);
  }
});
element('style').addEventListener('change', repaint);
start().catch(fail);
