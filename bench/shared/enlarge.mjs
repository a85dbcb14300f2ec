/**
 * Grey images, uint8 (N, H, W, 1), in the middle of a black square and the same in each channel: (N, side, side, channels).
 */
export function enlarge({ data, shape: [count, height, width] }, side, channels) {
  if (side === height && side === width && channels === 1) return { data, shape: [count, height, width, 1] };
  const enlarged = new Uint8Array(count * side * side * channels);
  const [top, left] = [(side - height) >> 1, (side - width) >> 1];
  for (let row = 0; row < count * height; row++) {
    const image = Math.floor(row / height);
    const start = (image * side + top + (row % height)) * side + left;
    for (let x = 0; x < width; x++) {
      const value = data[row * width + x];
      enlarged.fill(value, (start + x) * channels, (start + x + 1) * channels);
    }
  }
  return { data: enlarged, shape: [count, side, side, channels] };
}
