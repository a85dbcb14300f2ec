/**
 * Trains in a worker thread, which says how it goes on; this thread is free meanwhile, and ends the training on Ctrl-C
 * or when its time is up: node main.mjs [SECONDS]
 */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

const seconds = Number(process.argv[2] ?? 60);
const worker = new Worker(new URL('trainer.mjs', import.meta.url));

const stop = () => worker.postMessage('stop');
process.once('SIGINT', stop);
const timeIsUp = setTimeout(stop, 1000 * seconds);

let ticks = 0;
const ticking = setInterval(() => ticks++, 20);

worker.on('message', (message) => console.log(message));
await once(worker, 'exit');
clearTimeout(timeIsUp);
clearInterval(ticking);
console.log(`this thread did ${ticks} other things meanwhile`);
