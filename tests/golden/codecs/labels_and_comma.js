function decodeUplink(input) {
  var n = 0, i, j;
  outer: for (i = 0, j = 9; i < 10; i++, j--) { for (;;) { n++; if (i === j || n > 50) break outer; continue outer; } }
  return { data: { n: n } };
}
