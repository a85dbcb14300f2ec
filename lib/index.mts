/** The same package for `import`: one implementation, so that one process has one native addon. */
export * from './index.js';
