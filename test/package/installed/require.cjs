require('./use.cjs')(require('margincore'));
