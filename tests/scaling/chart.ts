/**
 * The measured points as a picture: one line per series, logarithmic below, from zero at the side.
 *
 * @module
 */

import * as vega from "vega";
import { compile, type TopLevelSpec } from "vega-lite";

/** One measured point. */
export interface Point {
  x: number;
  y: number;
  series: string;
}

/** What the axes say. */
export interface ChartTexts {
  title: string;
  x: string;
  y: string;
}

const WIDTH_PX = 480;
const HEIGHT_PX = 260;

/** An SVG document. */
export function renderChart(points: readonly Point[], texts: ChartTexts): Promise<string> {
  const spec: TopLevelSpec = {
    title: texts.title,
    width: WIDTH_PX,
    height: HEIGHT_PX,
    background: "white",
    data: { values: [...points] },
    mark: { type: "line", point: true },
    encoding: {
      x: { field: "x", type: "quantitative", scale: { type: "log" }, title: texts.x },
      y: { field: "y", type: "quantitative", scale: { zero: true }, title: texts.y },
      color: { field: "series", type: "nominal", title: null },
    },
  };
  return new vega.View(vega.parse(compile(spec).spec), { renderer: "none" }).toSVG();
}
