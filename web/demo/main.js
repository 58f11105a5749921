// The page: which device it runs on, and what the buttons do.

import * as hadamard from './pkg/index.js';
import { measure } from './bench.js';
import { draw, learn } from './learn.js';
import { Picture, pixels } from './picture.js';

const $ = (id) => document.getElementById(id);

const devices = { gpu: undefined, cpu: undefined };
/** What computes on the CPU is downloaded when it is used first. */
const cpu = async () => (devices.cpu ??= await hadamard.device('cpu'));
let picture;
let current;
/** The learning that goes on, if any: another number stops it. */
let run = 0;

function fail(error) {
  $('fault').hidden = false;
  $('fault').textContent = error.message;
  console.error(error);
}

/** Whether there is a GPU, and if not why. */
async function findGpu() {
  if (!navigator.gpu) {
    return window.isSecureContext ? 'This browser has no WebGPU.' : 'WebGPU needs https: this page came without it.';
  }
  try {
    devices.gpu = await hadamard.device('gpu');
    devices.gpu.gpuDevice?.lost.then(() => lost());
    return devices.gpu.info.software ? 'Its GPU is software: the CPU path is the faster of the two.' : 'WebGPU is here.';
  } catch (error) {
    return error.message;
  }
}

function lost() {
  devices.gpu = undefined;
  $('gpu').disabled = true;
  $('why').textContent = 'The GPU was lost; the page goes on with the CPU.';
  if (current === 'gpu') use('cpu');
}

async function use(kind) {
  current = kind;
  run += 1;
  $('device').className = `card device ${kind}`;
  $('name').textContent = kind === 'gpu' ? devices.gpu.name : 'the CPU, one thread';
  for (const name of ['gpu', 'cpu']) $(name).setAttribute('aria-pressed', String(name === kind));
  try {
    if (kind === 'cpu') await cpu();
    if (current === kind) picture.on(devices[kind]);
  } catch (error) {
    fail(error);
  }
}

/** Has a button do something that takes a while, once at a time. */
function button(id, work) {
  $(id).addEventListener('click', async () => {
    $(id).disabled = true;
    $('fault').hidden = true;
    try {
      await work();
    } catch (error) {
      // Work on a device that is gone is over.
      if (error.name !== 'DeviceLostError') fail(error);
    }
    $(id).disabled = false;
  });
}

async function begin() {
  const why = await findGpu();
  const photo = await pixels('temple.jpg');
  picture = new Picture(photo);
  $('why').textContent = why;
  $('cpu').disabled = false;
  $('gpu').disabled = !devices.gpu;
  $('gpu').addEventListener('click', () => use('gpu'));
  $('cpu').addEventListener('click', () => use('cpu'));
  await use(devices.gpu && !devices.gpu.info.software ? 'gpu' : 'cpu');
  draw([], [[], [], []]);
  button('start', async () => {
    run += 1;
    const mine = run;
    window.found = await learn(devices[current], picture.photo, photo, () => run === mine);
  });
  button('measure', async () => {
    window.times = await measure([devices.gpu, await cpu()].filter(Boolean));
  });
  window.ready = true;
}

begin().catch(fail);
