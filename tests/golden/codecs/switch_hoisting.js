function decodeUplink(input) {
  return main(input);
  function main(i) { var d = {}; switch (i.bytes[0]) { case 0: var x = 1; d.x = x; case 1: d.y = 2; break; default: d.z = x === undefined; } return { data: d }; }
}
