/** A page that is one file and loads nothing: what it says of itself forbids that. */
import { escapeXml } from './svg/svg.js';

/** Content-Security-Policy of such a page. @param connections Where its script may fetch from; nowhere by default */
export const policy = (connections?: "'self'"): string =>
  `default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'${connections === undefined ? '' : `; connect-src ${connections}`}`;

export const htmlPage = (
  title: string,
  style: string,
  body: string,
  script: string,
  connections?: "'self'",
): string => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${policy(connections)}">
<title>${escapeXml(title)}</title>
<link rel="icon" href="data:,">
<style>${style}</style>
</head>
<body>
${body}
<script>${script}</script>
</body>
</html>
`;
