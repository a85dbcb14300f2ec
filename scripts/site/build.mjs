/**
 * node scripts/site/build.mjs [FOLDER [SOURCE]]: the reference of the names that SOURCE exports (lib/index.ts), with README and docs/
 * beside it, in FOLDER (build/site). Ends with 1 where a name is not documented, a type of the interface not public, or a link leads nowhere.
 */
import './typescript6.mjs';
import { inRoot, options } from './options.mjs';

// Not before TypeScript 6 stands where it looks for TypeScript.
const { Application, ConsoleLogger } = await import('typedoc');
const { commentMembers } = await import('./functionComments.mjs');
const { showWords } = await import('./words.mjs');

/** All heads have the same options in common, in one place: that several declare them is no doubt about what they say. */
class Logger extends ConsoleLogger {
  log(message, level) {
    if (!/multiple declarations with a comment|The comments for \w+ are declared at/.test(message))
      super.log(message, level);
  }
}

const [out = inRoot('build/site'), source = 'lib/index.ts'] = process.argv.slice(2);
const app = await Application.bootstrap({ ...options, entryPoints: [inRoot(source)] });
app.logger = new Logger();
commentMembers(app);
showWords(app);

const project = await app.convert();
if (project !== undefined) app.validate(project);
if (project === undefined || app.logger.hasErrors() || app.logger.hasWarnings()) process.exit(1);
await app.generateDocs(project, out);
if (app.logger.hasErrors() || app.logger.hasWarnings()) process.exit(1);
