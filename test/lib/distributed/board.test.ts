/** What each process tells of itself, and what is known of one that does not come. */
import { type AddressInfo, connect, createServer } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import { type Board, BoardClient, BoardServer } from '../../../lib/distributed/board.js';

const presence = (rank: number) => ({ rank, host: `node${rank}`, pid: 100 + rank });
const open: Board[] = [];
afterEach(() => {
  for (const board of open.splice(0)) board.close();
});

async function boards(size: number) {
  const server = await BoardServer.open(presence(0), size, 'key');
  const address = { hosts: ['127.0.0.1'], port: server.port, key: 'key' };
  open.push(server);
  const join = async (rank: number) => {
    const client = await BoardClient.open(presence(rank), address, presence(0));
    open.push(client!);
    return client!;
  };
  return { server, address, join };
}

test('nothing is missing where all answer and are as far', async () => {
  const { server, join } = await boards(3);
  const clients = [await join(1), await join(2)];
  for (const board of [server, ...clients]) board.reached(7);
  await setTimeout(50);
  expect(await server.missing()).toBe('');
  expect(await clients[0]!.missing()).toBe('');
});

test('who is behind, who has gone and who was never there is said by name, on every rank', async () => {
  const { server, join } = await boards(4);
  const [behind, gone] = [await join(1), await join(2)];
  server.reached(9);
  behind.reached(8);
  gone.reached(9);
  await setTimeout(50);
  gone.close();
  await setTimeout(50);
  const expected =
    'rank 1 (node1, process 101) is at step 8, others at 9; rank 2 (node2, process 102) ended after step 9; rank 3 was never heard of';
  expect(await server.missing()).toBe(expected);
  expect(await behind.missing()).toBe(expected);
});

test('a process that does not answer is named', async () => {
  const { server, address } = await boards(2);
  const mute = connect(address.port, '127.0.0.1');
  mute.write(`${JSON.stringify({ ...presence(1), key: 'key', step: 3 })}\n`);
  await setTimeout(50);
  server.reached(3);
  expect(await server.missing()).toMatch(
    /^rank 1 \(node1, process 101\) does not answer: it was last heard of \d+ s ago, after step 3$/,
  );
  mute.destroy();
});

test('where rank 0 has gone, the others know that', async () => {
  const { server, join } = await boards(2);
  const client = await join(1);
  server.close();
  await setTimeout(50);
  expect(await client.missing()).toBe('rank 0 (node0, process 100) has ended');
});

test('strangers are not heard, and end nothing', async () => {
  const { server, address } = await boards(1);
  for (const words of [
    'GET / HTTP/1.1\r\n\r\n',
    '{"rank":0,"step":99,"key":"other"}\n',
    '\0\0\0\n',
    '[]\n',
    'null\n',
    'a'.repeat(1e5),
  ]) {
    const stranger = connect(address.port, '127.0.0.1');
    stranger.resume().on('error', () => {});
    stranger.write(words);
    await new Promise((resolve) => stranger.once('close', resolve));
  }
  expect(await server.missing()).toBe('');
});

test.each([
  ['says something else', 'HTTP/1.1 400 Bad Request\r\n'],
  ["is another run's", '{"board":"0123"}\n'],
  ['says nothing', ''],
])('an address at which a stranger %s is passed over', async (_, words) => {
  const stranger = createServer((socket) => socket.on('error', () => {}).write(words)).listen(0, '127.0.0.1');
  await new Promise((resolve) => stranger.once('listening', resolve));
  const { port } = stranger.address() as AddressInfo;
  const address = { hosts: ['127.0.0.1'], port, key: 'key' };
  expect(await BoardClient.open(presence(1), address, presence(0))).toBeUndefined();
  stranger.close();
});

test('without a way to rank 0 there is no board, and no failure', async () => {
  const server = await BoardServer.open(presence(0), 2, 'key');
  const { port } = server;
  server.close();
  expect(
    await BoardClient.open(presence(1), { hosts: ['127.0.0.1'], port, key: 'key' }, presence(0)),
  ).toBeUndefined();
});
