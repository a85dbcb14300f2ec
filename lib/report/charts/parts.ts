/**
 * What of ECharts is drawn with. scripts/bundle-charts.mjs makes one file of it, library.js beside this one: the package then needs
 * no 60 MB of it, and Node no way to load its modules.
 */
export { BarChart, HeatmapChart, LineChart, ScatterChart } from 'echarts/charts';
export { GridComponent, LegendComponent, MarkLineComponent, VisualMapComponent } from 'echarts/components';
export { init, use } from 'echarts/core';
export { SVGRenderer } from 'echarts/renderers';
