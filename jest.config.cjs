/** Plain Jest on what `tsc` wrote to dist/. */
module.exports = {
  roots: ['<rootDir>/dist/test'],
  testMatch: ['**/*.test.js'],
  transform: {},
  testTimeout: 60_000,
  // Training runs use every core: two at a time would only slow each other and blur the timings that tests look at.
  maxWorkers: 1,
};
