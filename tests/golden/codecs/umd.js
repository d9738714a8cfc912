(function (root, factory) {
  if (typeof module === 'object' && module.exports) { module.exports = factory(); } else { root.codec = factory(); }
}(this, function () {
  return { decodeUplink: function (i) { return { data: { x: i.bytes[0] } }; } };
}));
