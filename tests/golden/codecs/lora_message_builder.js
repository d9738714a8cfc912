function Builder() { this.d = {}; }
Builder.prototype = { constructor: Builder, add: function (k, v) { this.d[k] = v; return this; }, build: function () { return { data: this.d }; } };
function decodeUplink(input) { return new Builder().add('a', input.bytes[0]).add('b', true).build(); }
