/** node dist/examples/server/main.js MODEL GALLERY [PORT]: serves a gallery on this machine; Ctrl-C ends it. */
import { once } from 'node:events';
import { Gallery, Model } from '../../lib/index.js';
import { galleryServer } from './server.js';

async function main([modelFile, galleryFile, port = '8080']: readonly string[]): Promise<void> {
  if (modelFile === undefined || galleryFile === undefined)
    throw new Error('usage: main.js MODEL GALLERY [PORT]');
  const model = await Model.load(modelFile);
  // Nobody else changes the file as long as this runs: what they enrolled would be lost to what is saved here.
  const gallery = await Gallery.open(galleryFile, { model });
  const server = galleryServer(gallery, () => gallery.save(galleryFile));
  server.listen(Number(port), '127.0.0.1');
  await once(server, 'listening'); // rejects where the port is taken
  const address = server.address();
  const found = typeof address === 'object' && address !== null ? address.port : port;
  console.log(`http://127.0.0.1:${found}/names: ${gallery.names.length} names`);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      // Answers that are under way are given first.
      server.close(() => {
        gallery.dispose();
        model.dispose();
      });
      server.closeIdleConnections();
    });
  }
}

main(process.argv.slice(2)).catch((error: Error) => {
  console.error(error.message);
  process.exitCode = 1;
});
