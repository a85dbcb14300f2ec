/** A folder of small pictures for each class, as README's reader has one: blurred spots of a colour. */
const { mkdirSync } = require('node:fs');
const { createRequire } = require('node:module');
const { join } = require('node:path');

// What the package decodes pictures with is no dependency of whoever installs it.
const sharp = createRequire(require.resolve('margincore/package.json', { paths: [process.cwd()] }))('sharp');

async function main() {
  const colours = { cherry: [200, 30, 40], lime: [60, 190, 50], plum: [70, 40, 150] };
  for (const [name, colour] of Object.entries(colours)) {
    mkdirSync(join('photos', name), { recursive: true });
    for (let index = 0; index < 12; index++) {
      const [r, g, b] = colour.map((value) => value + 4 * index);
      const create = { width: 40 + index, height: 36, channels: 3, background: { r, g, b } };
      await sharp({ create })
        .jpeg()
        .toFile(join('photos', name, `${index}.jpg`));
    }
  }
}

main();
