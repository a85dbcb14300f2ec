/** One line per contender that ran, from what it said of itself. */
export function describeVersions(reported) {
  return Object.values(reported).map(({ name, version, environment }) =>
    environment
      ? `${name} ${environment.margincore} (${environment.versions.backend})`
      : `${name} ${version}`,
  );
}
