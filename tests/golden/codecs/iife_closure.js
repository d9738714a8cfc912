var decodeUplink = (function () {
  var table = [0, 10, 20];
  function look(i) { return table[i]; }
  return function (input) { return { data: { v: look(input.bytes[0]) } }; };
})();
