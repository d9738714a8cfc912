var decoder = {};
(function (exports) {
  exports.decodeUplink = function (input) { return { data: { hidden: input.bytes[0] } }; };
})(decoder);
function decodeUplink(input) { return decoder.decodeUplink(input); }
