function decodeUplink(r){var e,t=r.bytes,n={};for(e=0;e<t.length;e+=2)n["c"+t[e]]=t[e+1];return{data:n}}
