/**
 * node scripts/site/build.mjs [FOLDER]: the reference of the public names, with README and docs/ beside it, in FOLDER or
 * build/site. Ends with 1 where a name is not documented, a type of the interface not public, or a link leads nowhere.
 */
import './typescript6.mjs';
import { fileURLToPath } from 'node:url';
import { options } from './options.mjs';

// Not before TypeScript 6 stands where it looks for TypeScript.
const { Application } = await import('typedoc');
const { showNamedValues } = await import('./namedValues.mjs');

const [out = fileURLToPath(new URL('../../build/site', import.meta.url))] = process.argv.slice(2);
const app = await Application.bootstrap(options);
showNamedValues(app);

const project = await app.convert();
if (project !== undefined) app.validate(project);
if (project === undefined || app.logger.hasErrors() || app.logger.hasWarnings()) process.exit(1);
await app.generateDocs(project, out);
if (app.logger.hasErrors() || app.logger.hasWarnings()) process.exit(1);
